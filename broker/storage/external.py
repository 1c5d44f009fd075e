"""Blobs outside Postgres, and why none that a packet refers to is ever collected.

``pending_blobs`` names every object that may lie outside without a packet that refers to it:

1. `_expect` upserts its row with the database's present time, and commits, before a byte is written;
2. the object is drafted, while others check what is in it;
3. `_refer` deletes the row and inserts the blob's, in the transaction that makes the packet;
4. the draft gets its name, before that transaction commits.

The collector takes rows that are older than the grace, *locks* them, looks whether a blob's row exists, and removes the
object while it holds the lock. So the two meet at the row: when the collector was first, `_refer` finds no row and
fails, and nothing was acknowledged; when `_refer` was first, the collector finds no row. A publisher of the same bytes
waits in `_expect` until the collector is done, and writes after it. The grace only keeps `_refer` from failing often;
clocks of hosts decide nothing. A crash anywhere leaves a row, and so garbage that will be found, and no other.
"""

import uuid
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from itertools import pairwise

from sqlalchemy import column, delete, exists, func, select, table, text
from sqlalchemy.orm import Session, sessionmaker

from broker.storage import Bytes, Order
from broker.storage.driver import driver
from broker.storage.objects import Objects, Sheet
from broker.storage.postgres import PostgresBlobs
from m2kt.errors import StorageAway

BITE = 50
PART_DIGITS = 20
WRITERS = 8
"""Threads that write beside the requests' own."""

_blobs = table("blobs", column("sha256"), column("size"))
_pending = table("pending_blobs", column("sha256"), column("since"))
_NOW = func.clock_timestamp()
_EXPECT = (
    "INSERT INTO pending_blobs (sha256) VALUES (%(digest)s) "
    "ON CONFLICT (sha256) DO UPDATE SET since = clock_timestamp()"
)
_REFER = """
    WITH expected AS (DELETE FROM pending_blobs WHERE sha256 = %(digest)s RETURNING sha256)
    INSERT INTO blobs (sha256, size) SELECT sha256, %(size)s FROM expected ON CONFLICT DO NOTHING
"""


class ExternalBlobs:
    """The `broker.storage.BlobStore` over `Objects`. What an earlier setting left in Postgres is still read there."""

    def __init__(self, objects: Objects, sessions: sessionmaker[Session]) -> None:
        self._objects, self._sessions, self._former = objects, sessions, PostgresBlobs()
        self._writers = ThreadPoolExecutor(WRITERS, "blobs")
        self._done: Future[None] = Future()
        self._done.set_result(None)

    def expecting(self, digest: str) -> Order:
        return Order(_EXPECT, {"digest": digest})

    def begin(self, data: Bytes, digest: str, *, expected: bool = False) -> "_Outside":
        told = self._done if expected else self._writers.submit(self._expect_apart, digest)
        sheet = self._writers.submit(self._write, told, data, digest)
        return _Outside(self, self._writers, digest, len(data), told, sheet)

    def put(self, session: Session, data: Bytes, digest: str) -> None:
        draft = self.begin(data, digest)
        try:
            draft.keep(session)
            draft.confirm()
            draft.finish()
        finally:
            draft.drop()

    def _write(self, told: "Future[None]", data: Bytes, digest: str) -> Sheet:
        told.result()
        return self._objects.draft(_name(digest), data)

    def _expect_apart(self, digest: str) -> None:
        with self._sessions.begin() as apart:
            _expect(apart, digest)

    def abandoned(self, digest: str) -> StorageAway:
        """The error of a publication that the collector was faster than; what it put after that is garbage again."""
        self._expect_apart(digest)
        return StorageAway("the bytes were collected as abandoned before their packet was stored")

    def read(self, session: Session, digest: str, start: int, stop: int) -> Iterator[bytes]:
        found = self._objects.get(_name(digest), start, stop)
        if found is not None:
            return found
        former = list(self._former.read(session, digest, start, stop))
        if sum(map(len, former)) != stop - start:
            raise StorageAway(f"the bytes of {digest} are not where M2KT_BLOBS says")
        return iter(former)

    def delete(self, session: Session, digest: str) -> None:
        self._former.delete(session, digest)
        _expect(session, digest)  # the collector removes the object, once nobody can be reading it

    def collect(self, session: Session, grace_seconds: float) -> int:
        old = _pending.c.since < _NOW - text("make_interval(secs => :grace)").bindparams(grace=grace_seconds)
        mine = select(_pending.c.sha256).where(old).order_by(_pending.c.since).limit(BITE)
        names = list(session.scalars(mine.with_for_update(skip_locked=True)))
        for digest in names:
            if not session.scalar(select(exists().where(_blobs.c.sha256 == digest))):
                self._objects.delete(_name(digest))
        session.execute(delete(_pending).where(_pending.c.sha256.in_(names)))
        return len(names)

    def append(self, session: Session, upload: uuid.UUID, start: int, data: Bytes) -> None:
        self._objects.put(_part(upload, start), data)
        self._former.append(session, upload, start, b"")  # remembers where it begins

    def assemble(self, session: Session, upload: uuid.UUID, length: int) -> bytes:
        starts = [*self._starts(session, upload, length), length]
        pieces: list[bytes] = []
        for start, stop in pairwise(starts):
            part = self._objects.get(_part(upload, start), 0, stop - start)
            if part is None:
                raise StorageAway(f"a part of the upload {upload} is not where M2KT_BLOBS says")
            pieces += part
        return b"".join(pieces)

    def _starts(self, session: Session, upload: uuid.UUID, length: int) -> list[int]:
        parts = table("upload_parts", column("upload_id"), column("start"))
        wanted = select(parts.c.start).where(parts.c.upload_id == upload, parts.c.start < length)
        return list(session.scalars(wanted.order_by(parts.c.start)))

    def discard(self, session: Session, upload: uuid.UUID) -> None:
        self._objects.clear(_folder(upload))
        self._former.discard(session, upload)


def _expect(session: Session, digest: str) -> None:
    driver(session).execute(_EXPECT, {"digest": digest})


class _Outside:
    """The `broker.storage.Draft` of bytes that threads of the store write."""

    def __init__(
        self,
        store: ExternalBlobs,
        writers: Executor,
        digest: str,
        size: int,
        told: "Future[None]",
        sheet: "Future[Sheet]",
    ) -> None:
        self._store, self._writers, self._told, self.sheet = store, writers, told, sheet
        self._order = Order(_REFER, {"digest": digest, "size": size})
        self._digest = digest
        self._kept: Future[None] | None = None

    def confirm(self) -> None:
        self._kept = self._writers.submit(lambda: self.sheet.result().keep())

    def order(self) -> Order:
        self._told.result()
        return self._order

    def keep(self, session: Session) -> None:
        order = self.order()
        driver(session).execute(order.sql, order.values)
        if not session.scalar(select(exists().where(_blobs.c.sha256 == self._digest))):
            raise self.lost()

    def lost(self) -> StorageAway:
        return self._store.abandoned(self._digest)

    def finish(self) -> None:
        assert self._kept is not None, "it was not confirmed"
        self._kept.result()

    def drop(self) -> None:
        if self._kept is None:
            self.sheet.add_done_callback(_drop)


def _drop(sheet: "Future[Sheet]") -> None:
    if not sheet.cancelled() and sheet.exception() is None:
        sheet.result().drop()


def _name(digest: str) -> str:
    """``sha256/ab/ab...``: folders of a size that every file system likes."""
    kind, _, hexadecimal = digest.partition(":")
    return f"{kind}/{hexadecimal[:2]}/{hexadecimal}"


def _folder(upload: uuid.UUID) -> str:
    return f"uploads/{upload}"


def _part(upload: uuid.UUID, start: int) -> str:
    return f"{_folder(upload)}/{start:0{PART_DIGITS}}"
