"""Counts: the rows that are there are those that the broker added and did not remove."""

# ruff: noqa: S608 - names of our own tables; expressions of our own functions
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from broker.audit.tables import SealedTable
from broker.models import Base, RowCount
from m2kt.client.statements import Report

_HALVES = (
    "SELECT '{name}', count(*), coalesce(bit_xor(('x' || left(i, 16))::bit(64)::bigint), 0), "
    "coalesce(bit_xor(('x' || right(i, 16))::bit(64)::bigint), 0) FROM (SELECT {identity} AS i FROM \"{name}\") AS one"
)


@dataclass(frozen=True)
class Tally:
    """A number of rows, and the XOR of their identities: two signed halves of 64 bits."""

    rows: int = 0
    high: int = 0
    low: int = 0

    def apart(self, other: "Tally") -> "Tally":
        return Tally(self.rows - other.rows, self.high ^ other.high, self.low ^ other.low)

    @property
    def identity(self) -> uuid.UUID:
        """Of the one row that is too much or too little."""
        mask = 2**64 - 1
        return uuid.UUID(int=(self.high & mask) << 64 | (self.low & mask))


def check(session: Session, tables: Sequence[SealedTable], report: Report) -> None:
    """Every counted table: how many rows are there, how many should be, and which, if it is one."""
    expected, counted = recorded(session), [each for each in tables if each.counted]
    there = present(session, counted)
    for each in counted:
        apart = there[each.name].apart(expected.get(each.name, Tally()))
        if apart != Tally():
            report(*_described(each, apart))
    for name in set(expected) - set(there):
        if expected[name] != Tally():
            report(name, f"the table is not there; it had {expected[name].rows} rows")


def recorded(session: Session) -> dict[str, Tally]:
    """What all connections together say."""
    found: dict[str, Tally] = {}
    for row in session.execute(select(RowCount.name, RowCount.rows, RowCount.high, RowCount.low)):
        so_far = found.get(row.name, Tally())
        found[row.name] = Tally(so_far.rows + row.rows, so_far.high ^ row.high, so_far.low ^ row.low)
    return found


def present(session: Session, tables: Sequence[SealedTable]) -> dict[str, Tally]:
    """What is there, by the table's name: a UNION ALL that Postgres reads in parallel comes in any order."""
    wanted = text("SELECT name, row_identity(to_regclass(name)) FROM unnest(CAST(:names AS text[])) AS name")
    identities: dict[str, str] = dict(session.execute(wanted, {"names": [each.name for each in tables]}).all())
    statements = (_HALVES.format(identity=identities[each.name], name=each.name) for each in tables)
    return {name: Tally(*row) for name, *row in session.execute(text(" UNION ALL ".join(statements)))}


def _described(table: SealedTable, apart: Tally) -> tuple[str, str]:
    number = abs(apart.rows)
    if number == 0:
        return table.name, "rows were removed behind the broker's back, and as many others added"
    what = "removed" if apart.rows < 0 else "added"
    if number > 1:
        return table.name, f"{number} rows were {what} behind the broker's back"
    return _named(table, apart.identity), f"this row was {what} behind the broker's back"


def _named(table: SealedTable, identity: uuid.UUID) -> str:
    kind = str if len(table.key) > 1 else Base.metadata.tables[table.name].c[table.key[0]].type.python_type
    if kind is str:
        return f"{table.name} with MD5 {identity.hex} of its key"
    return table.place((identity if kind is uuid.UUID else identity.int,))


def number(session: Session, table: SealedTable) -> int:
    return int(session.scalar(text(f'SELECT count(*) FROM "{table.name}"')) or 0)
