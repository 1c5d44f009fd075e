"""What the audit needs to know of a sealed table, read from models and catalogue."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from broker.models import Base, Sealed

UNCOUNTED = {
    "job_events": "its job's row counts them, and is sealed (`jobs.events`)",
    "outbox": "a row that is gone is one that was told; what it told stands in a sealed row, which workers look at",
    "row_counts": "it is what counts; one of its rows less, and a count is wrong",
}
"""Sealed tables whose rows are not counted in `row_counts`."""


@dataclass(frozen=True)
class SealedTable:
    """A table by its name, its primary key's columns, and what is sealed of a row."""

    name: str
    key: tuple[str, ...]
    content: str
    """SQL: the row as text, with nothing in the place of the seal; what the trigger ``zz_seal`` sees."""

    @property
    def counted(self) -> bool:
        return self.name not in UNCOUNTED

    def place(self, values: tuple[object, ...]) -> str:
        """How a finding names a row."""
        return " ".join([self.name, *map(str, values)])


_COLUMNS = text(
    "SELECT attrelid::regclass::text AS name, array_agg(attname::text ORDER BY attnum) AS columns FROM pg_attribute "
    "WHERE attrelid = ANY (CAST(:names AS regclass[])) AND attnum > 0 AND NOT attisdropped GROUP BY 1"
)


def sealed_names() -> list[str]:
    """Tables whose models say `Sealed`."""
    return sorted(str(each.local_table) for each in Base.registry.mappers if issubclass(each.class_, Sealed))


def sealed_tables(session: Session) -> list[SealedTable]:
    """`sealed_names`, with what the database knows of them."""
    names = sealed_names()
    columns = {row.name: row.columns for row in session.execute(_COLUMNS, {"names": names})}
    keys = {name: Base.metadata.tables[name].primary_key for name in names}
    return [SealedTable(name, tuple(each.name for each in keys[name]), _content(columns[name])) for name in names]


def _content(columns: Sequence[str]) -> str:
    return f"ROW({', '.join('NULL' if each == 'seal' else _quoted(each) for each in columns)})::text"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
