"""What the audit needs to know of a sealed table, read from models and catalogue."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import FromClause, text
from sqlalchemy.orm import Session

from broker.models import BESIDE_PGVECTOR, Base, Sealed
from m2kt.errors import DatabaseAway

UNCOUNTED = {
    "job_events": "its job's row counts them, and is sealed (`jobs.events`)",
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
    "WHERE attrelid = ANY (SELECT to_regclass(name) FROM unnest(CAST(:names AS text[])) AS name) "
    "AND attnum > 0 AND NOT attisdropped GROUP BY 1"
)


def sealed_models() -> list[FromClause]:
    """Tables whose models say `Sealed`, and the one that is there only beside pgvector."""
    found = [each.local_table for each in Base.registry.mappers if issubclass(each.class_, Sealed)]
    return sorted([*found, BESIDE_PGVECTOR], key=str)


def sealed_tables(session: Session) -> list[SealedTable]:
    """`sealed_models` that are there, with what the database knows of them."""
    models = {str(each): each for each in sealed_models()}
    columns = {row.name: row.columns for row in session.execute(_COLUMNS, {"names": list(models)})}
    missing = set(models) - set(columns) - {str(BESIDE_PGVECTOR)}
    if missing:
        raise DatabaseAway(
            f"the database has no table {min(missing)}", hint="Bring it up to date: alembic upgrade head."
        )
    return [
        SealedTable(name, tuple(each.name for each in model.primary_key), _content(columns[name]))
        for name, model in models.items()
        if name in columns
    ]


def _content(columns: Sequence[str]) -> str:
    return f"ROW({', '.join('NULL' if each == 'seal' else _quoted(each) for each in columns)})::text"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
