"""Projects: what somebody may look into, and where what they make belongs."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, true
from sqlalchemy.orm import InstrumentedAttribute

from m2kt.errors import Forbidden

DEFAULT = "default"
EVERY = "*"
"""As an agent's project: it is at home in all of them."""


@dataclass(frozen=True)
class Scope:
    """Some projects; None is every one."""

    projects: frozenset[str] | None

    @classmethod
    def of(cls, project: str) -> "Scope":
        return EVERYWHERE if project == EVERY else cls(frozenset({project}))

    def has(self, project: str) -> bool:
        return self.projects is None or project in self.projects

    def within(self, column: InstrumentedAttribute[str]) -> ColumnElement[bool]:
        """The rows of these projects."""
        return true() if self.projects is None else column.in_(sorted(self.projects))

    def widened(self, others: frozenset[str]) -> "Scope":
        return self if self.projects is None else Scope(self.projects | others)


EVERYWHERE = Scope(None)


def home(project: str, asked: str | None) -> str:
    """The project of what an agent of ``project`` makes, when it asks for ``asked``."""
    if project == EVERY:
        return asked or DEFAULT
    if asked not in (None, project):
        raise Forbidden(f"you belong to the project {project}", hint="Leave the project out, or use another agent.")
    return project
