"""The operator's audit: the database itself, row by row, with the broker's key. ``m2kt log audit`` executes it.

It stands beside the remote monitor (`m2kt.client.audit`), which needs no secret and compares what a broker shows with
what it signed and logged. This one also sees what nobody is shown: jobs, nonces, bytes that cannot be pulled.
"""

from sqlalchemy.orm import Session

from broker.audit import blobs, counts, evidence, guards, ledger, parts, rows, tree
from broker.audit.tables import sealed_tables
from broker.sealing import SealKey
from broker.services.sequencer import Keeper
from broker.storage import BlobStore
from broker.storage.postgres import PostgresBlobs
from m2kt.client.audit import Report

__all__ = ["Report", "audit"]


def audit(session: Session, keeper: Keeper, keys: tuple[SealKey, ...], store: BlobStore | None = None) -> Report:
    """Look at everything once; the session should see one moment (REPEATABLE READ). ``store`` has the bytes that
    are not in Postgres.

    1. the functions and triggers that seal and count are the ones that the migrations made, and switched on;
    2. every row of a sealed table carries a seal of one of ``keys`` over what it says;
    3. every counted table has the rows that were added to it and not removed by the broker;
    4. jobs: each has all of its events, and says how far it is as they do;
    5. blobs: the bytes, all of them, are those that their names promise; parts of uploads, those that were received;
    6. the log: leaves, tiles and signed checkpoints are one tree;
    7. every statement stands in the log under its kind, and every entry has its statement.
    """
    report, tables = Report(), sealed_tables(session)
    # 1.
    guards.check(session, tables, report.add)
    # 2.
    if not rows.ever_sealed(session, tables):
        report.add("database", "no row carries a seal: once you know that it is right, run `m2kt log reseal --accept`")
        return report
    report.counted["rows"] = sum(rows.check(session, each, keys, report.add) for each in tables)
    # 3.
    counts.check(session, tables, report.add)
    # 4.
    report.counted["jobs"] = ledger.check(session, report.add)
    # 5.
    store = store or PostgresBlobs()
    report.counted["blobs"] = blobs.check(session, store, report.add)
    parts.check(session, store, report.add)
    # 6.
    report.counted["entries"] = tree.check(session, keeper, report.add)
    # 7.
    evidence.check(session, report.add)
    return report
