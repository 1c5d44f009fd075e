"""What a scan says."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    PASS = "pass"  # noqa: S105 - a verdict, no password
    FAIL = "fail"
    ERROR = "error"
    """The check itself broke: nothing is known, so the packet does not pass."""
    NOT_RUN = "not-run"
    """It does not apply, or an earlier check left nothing to look at."""


@dataclass(frozen=True)
class Finding:
    """Something in a packet that a check stopped at, or (``note``) only reports."""

    where: str
    what: str
    note: bool = False

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass(frozen=True)
class CheckResult:
    """One check's outcome; ``evidence`` is in words, one line each."""

    name: str
    version: str
    outcome: Outcome
    evidence: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "version": self.version,
            "outcome": self.outcome.value,
            "evidence": list(self.evidence),
        }


@dataclass(frozen=True)
class Verdict:
    """The outcome of all checks. ``passed`` needs every check that applies to have passed, and at least one."""

    checks: tuple[CheckResult, ...]

    @property
    def passed(self) -> bool:
        outcomes = {each.outcome for each in self.checks}
        return Outcome.PASS in outcomes and outcomes <= {Outcome.PASS, Outcome.NOT_RUN}

    @property
    def findings(self) -> Iterator[CheckResult]:
        """The checks that found something wrong with the packet itself."""
        return (each for each in self.checks if each.outcome is Outcome.FAIL)

    def to_dict(self) -> dict[str, Any]:
        return {"passed": self.passed, "checks": [each.to_dict() for each in self.checks]}
