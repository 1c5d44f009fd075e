"""Seals: what a row says is what the broker wrote."""

# ruff: noqa: S608 - names of our own tables and columns; values are bound
from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session

from broker.audit.tables import SealedTable
from broker.sealing import SealKey
from m2kt.client.statements import Report

BITE = 500


def ever_sealed(session: Session, tables: Sequence[SealedTable]) -> bool:
    """Whether anything carries a seal, or nothing is there: a database from before seals has to be adopted first."""
    some = [_exists(session, each, "seal IS NOT NULL") for each in tables]
    return any(some) or not any(_exists(session, each, "true") for each in tables)


def _exists(session: Session, table: SealedTable, condition: str) -> bool:
    return bool(session.scalar(text(f'SELECT EXISTS (SELECT FROM "{table.name}" WHERE {condition})')))


def check(session: Session, table: SealedTable, keys: Sequence[SealKey], report: Report) -> int:
    """Every row of a table; returns how many there are."""
    columns = ", ".join(f'"{each}"' for each in table.key)
    wanted = text(f'SELECT {table.content}, seal, {columns} FROM "{table.name}" ORDER BY {columns}')
    by_id, seen = {each.id: each for each in keys}, 0
    for content, seal, *key in session.execute(wanted.execution_options(yield_per=BITE)):
        seen += 1
        fault = _fault(by_id, table.name, content, seal)
        if fault:
            report(table.place(tuple(key)), fault)
    return seen


def _fault(keys: dict[bytes, SealKey], table: str, content: str, seal: bytes | None) -> str | None:
    if seal is None:
        return "it was written, or changed, without the broker's key"
    key = keys.get(bytes(seal[:8]))
    if key is None:
        return "its seal is of another key: changed, or from before the broker's key was (then `m2kt log reseal`)"
    return None if key.seal(table, content) == seal else "it was changed: its seal is over other values"
