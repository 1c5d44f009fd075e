"""Blobs in Postgres: one atomic, backed-up truth, and no garbage-collection race.

Chunks are at most 256 KiB, so that a Range reads few bytes it does not send. This layer stands below the models, so
it names its tables (`broker.models.blob`, `broker.models.transport`) by what it needs of them. Bytes travel in
Postgres' binary format (COPY, binary cursors): the text format would double and then decode them.
"""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import column, delete, table
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from broker.storage import Bytes
from broker.storage.driver import driver
from broker.storage.pieces import pieces
from m2kt.errors import M2KTError, StorageAway

CHUNK = 256 * 1024

_blobs = table("blobs", column("sha256"), column("size"))
_parts = table("upload_parts", column("upload_id"), column("start"), column("data"))

_COPY = "COPY chunks (sha256, seq, data) FROM STDIN (FORMAT BINARY)"
_READ = "SELECT seq, data FROM chunks WHERE sha256 = %s AND seq BETWEEN %s AND %s ORDER BY seq"
_PARTS = "SELECT start, data FROM upload_parts WHERE upload_id = %s ORDER BY start"
_KEEP_PART = """
INSERT INTO upload_parts (upload_id, start, data) VALUES (%s, %s, %b)
ON CONFLICT (upload_id, start) DO UPDATE SET data = excluded.data
"""


class PostgresBlobs:
    """The `broker.storage.BlobStore` that writes in the caller's own transaction: nothing can be left over."""

    def expecting(self, digest: str) -> None:
        return None

    def begin(self, data: Bytes, digest: str, *, expected: bool = False) -> "_Held":
        return _Held(self, data, digest)

    def put(self, session: Session, data: Bytes, digest: str) -> None:
        fresh = session.execute(
            upsert(_blobs).values(sha256=digest, size=len(data)).on_conflict_do_nothing().returning(_blobs.c.sha256)
        ).first()
        if not fresh:
            return
        view = memoryview(data)
        with driver(session).cursor() as cursor, cursor.copy(_COPY) as copy:
            copy.set_types(["text", "int4", "bytea"])
            for at in range(0, len(view), CHUNK):
                copy.write_row((digest, at // CHUNK, view[at : at + CHUNK]))

    def read(self, session: Session, digest: str, start: int, stop: int) -> Iterator[bytes]:
        rows = _fetched(session, _READ, digest, start // CHUNK, max(start, stop - 1) // CHUNK)
        for number, (seq, data) in enumerate(rows):
            at = seq * CHUNK
            if at < start or at + len(data) > stop:
                rows[number] = (seq, data[max(start - at, 0) : stop - at])
        return iter([data for _, data in rows])

    def delete(self, session: Session, digest: str) -> None:
        session.execute(delete(_blobs).where(_blobs.c.sha256 == digest))  # its chunks go by cascade

    def collect(self, session: Session, grace_seconds: float) -> int:
        return 0  # bytes and what refers to them come and go in one transaction

    def append(self, session: Session, upload: uuid.UUID, start: int, data: Bytes) -> None:
        with driver(session).cursor() as cursor:
            for at, piece in pieces(data):
                cursor.execute(_KEEP_PART, (upload, start + at, piece))

    def assemble(self, session: Session, upload: uuid.UUID, length: int) -> bytes:
        return b"".join(data for start, data in _fetched(session, _PARTS, upload) if start < length)

    def discard(self, session: Session, upload: uuid.UUID) -> None:
        session.execute(delete(_parts).where(_parts.c.upload_id == upload))


@dataclass(frozen=True)
class _Held:
    """Bytes that wait in memory for the transaction that will hold them."""

    store: PostgresBlobs
    data: Bytes
    digest: str

    def confirm(self) -> None:
        """They are written with the rest."""

    def order(self) -> None:
        return None

    def keep(self, session: Session) -> None:
        self.store.put(session, self.data, self.digest)

    def lost(self) -> M2KTError:
        return StorageAway(f"the bytes of {self.digest} went away while they were stored")

    def finish(self) -> None:
        """The commit does it."""

    def drop(self) -> None:
        """The rollback did it."""


def _fetched(session: Session, query: str, *values: object) -> list[Any]:
    with driver(session).cursor(binary=True) as cursor:
        found: Sequence[Any] = cursor.execute(query, values).fetchall()
        return list(found)
