"""Sealing what is there: after an upgrade from before seals, a migration of sealed tables, or with another key."""

# ruff: noqa: S608 - names of our own tables
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from broker.audit import Report, audit, counts
from broker.audit.tables import SealedTable, sealed_models, sealed_tables
from broker.models import BESIDE_PGVECTOR, RowCount
from broker.sealing import SETTING, SealKey
from broker.services.sequencer import Keeper
from broker.storage import BlobStore

ALL = -1
"""The slot in `RowCount` of what was there when it was sealed; connections have others."""

_LOCK = "LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE"


def reseal(
    session: Session, keeper: Keeper, keys: tuple[SealKey, ...], store: BlobStore | None = None, *, accept: bool
) -> Report:
    """Audit with all of ``keys``; when nothing is found, or it is accepted, seal every row with the first of them.

    Locks the sealed tables against writers until the end of the transaction.
    """
    # First of all: what the transaction sees is as old as its first look.
    _lock(session)
    tables = sealed_tables(session)
    report = audit(session, keeper, keys, store)
    if report.findings and not accept:
        return report
    report = Report(counted=report.counted)
    session.execute(text("SELECT set_config(:name, :value, true)"), {"name": SETTING, "value": keys[0].text})
    for each in tables:
        _seal(session, each)
    _count(session, [each for each in tables if each.counted])
    report.counted["resealed"] = sum(counts.number(session, each) for each in tables)
    return report


def _lock(session: Session) -> None:
    session.execute(text(_LOCK.format(", ".join(str(each) for each in sealed_models() if each is not BESIDE_PGVECTOR))))
    try:
        with session.begin_nested():
            session.execute(text(_LOCK.format(BESIDE_PGVECTOR)))
    except ProgrammingError:
        return  # it is not there, and to look whether it is would be the first look


def _seal(session: Session, table: SealedTable) -> None:
    """Triggers are off meanwhile: some refuse every change, and ours gives no row a new seal that had none."""
    session.execute(text(f"ALTER TABLE {table.name} DISABLE TRIGGER USER"))
    if table.name == "jobs":
        counted = "(SELECT count(*) FROM job_events WHERE job_id = jobs.id)"
        session.execute(text(f"UPDATE jobs SET events = {counted} WHERE events <> {counted}"))
    sealed = f"seal_of(current_setting('{SETTING}'), '{table.name}', {table.content})"
    session.execute(text(f"UPDATE {table.name} SET seal = {sealed}"))
    session.execute(text(f"ALTER TABLE {table.name} ENABLE TRIGGER USER"))


def _count(session: Session, tables: list[SealedTable]) -> None:
    """The rows that are there are those that were added, all of them at once."""
    session.execute(text("DELETE FROM row_counts"))
    for name, tally in counts.present(session, tables).items():
        session.add(RowCount(slot=ALL, name=name, rows=tally.rows, high=tally.high, low=tally.low))
    session.flush()
