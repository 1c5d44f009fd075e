"""Blobs in Postgres: one atomic, backed-up truth, and no garbage-collection race.

Chunks are at most 256 KiB, so that a Range reads few bytes it does not send. This layer stands below the models, so
it names its two tables (`broker.models.blob` creates them) by what it needs of them.
"""

import hashlib
from collections.abc import Iterator

from sqlalchemy import column, delete, insert, select, table
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

CHUNK = 256 * 1024

_blobs = table("blobs", column("sha256"), column("size"))
_chunks = table("chunks", column("sha256"), column("seq"), column("data"))


class PostgresBlobs:
    """The `broker.storage.BlobStore` that writes in the caller's own transaction."""

    def put(self, session: Session, data: bytes) -> str:
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        fresh = session.execute(
            upsert(_blobs).values(sha256=digest, size=len(data)).on_conflict_do_nothing().returning(_blobs.c.sha256)
        ).first()
        if fresh and data:
            session.execute(
                insert(_chunks),
                [
                    {"sha256": digest, "seq": at // CHUNK, "data": data[at : at + CHUNK]}
                    for at in range(0, len(data), CHUNK)
                ],
            )
        return digest

    def read(self, session: Session, digest: str, start: int, stop: int) -> Iterator[bytes]:
        wanted = (
            select(_chunks.c.seq, _chunks.c.data)
            .where(_chunks.c.sha256 == digest, _chunks.c.seq.between(start // CHUNK, max(start, stop - 1) // CHUNK))
            .order_by(_chunks.c.seq)
        )
        for seq, data in session.execute(wanted):
            at = seq * CHUNK
            yield bytes(data[max(start - at, 0) : stop - at])

    def delete(self, session: Session, digest: str) -> None:
        session.execute(delete(_blobs).where(_blobs.c.sha256 == digest))  # its chunks go by cascade
