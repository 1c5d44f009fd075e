"""Parts of uploads that Postgres keeps: those that were received, in their order."""

import uuid
from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from broker.models import Upload, UploadPart
from broker.storage import BlobStore
from broker.storage.pieces import chained
from broker.storage.postgres import PostgresBlobs
from m2kt.client.statements import Report


def check(session: Session, store: BlobStore, report: Report) -> None:
    """Every upload's parts against its row; parts that no upload still has are strays. What lies outside Postgres is
    compared with the upload's digest when it is completed, and is nobody's row."""
    expected = {}
    if isinstance(store, PostgresBlobs):
        expected = dict(
            session.execute(select(Upload.id, Upload.chain).where(~Upload.cleared, Upload.chain != "")).all()
        )
    found = dict(_chains(session))
    for upload in sorted(set(expected) | set(found)):
        if upload not in expected:
            report(f"upload_parts {upload}", "they belong to no upload that still has parts")
        elif found.get(upload) != expected[upload]:
            report(f"uploads {upload}", "its parts are not those that were received")


def _chains(session: Session) -> Iterator[tuple[uuid.UUID, str]]:
    """What the parts of each upload give; a part that begins elsewhere than the one before it ends gives nothing."""
    wanted = select(UploadPart.upload_id, UploadPart.start, UploadPart.data)
    rows = session.execute(wanted.order_by(UploadPart.upload_id, UploadPart.start).execution_options(yield_per=16))
    upload, chain, end = None, "", 0
    for row in rows:
        if row.upload_id != upload:
            if upload is not None:
                yield upload, chain
            upload, chain, end = row.upload_id, "", 0
        chain = chained(chain, row.data) if row.start == end else "a gap"
        end = row.start + len(row.data)
    if upload is not None:
        yield upload, chain
