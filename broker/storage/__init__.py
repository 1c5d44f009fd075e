"""Where the bytes of packets lie. Content-addressed: a blob's name is the digest of its bytes, ``sha256:`` and hex."""

import uuid
from collections.abc import Iterator
from typing import Protocol

from sqlalchemy.orm import Session

Bytes = bytes | bytearray | memoryview


class Draft(Protocol):
    """Bytes that are being written while others check them and write what refers to them."""

    def keep(self, session: Session) -> None:
        """Let the row that this transaction is about to write refer to them: durable when it commits."""
        ...

    def finish(self) -> None:
        """Wait until they are where they belong: the last step before the commit."""
        ...

    def drop(self) -> None:
        """Nobody wants them. After `finish` it changes nothing."""
        ...


class BlobStore(Protocol):
    """What the broker needs of a store: Postgres itself, or objects outside (`broker.storage.external`)."""

    def begin(self, data: Bytes, digest: str) -> Draft:
        """Begin to store ``data``, whose digest the caller has computed. The draft must be finished or dropped."""
        ...

    def put(self, session: Session, data: Bytes, digest: str) -> None:
        """All of it at once: `begin`, `Draft.keep`, `Draft.finish`. Storing it again changes nothing."""
        ...

    def read(self, session: Session, digest: str, start: int, stop: int) -> Iterator[bytes]:
        """The bytes ``[start, stop)`` of a blob, in pieces. The iterator outlives the session."""
        ...

    def delete(self, session: Session, digest: str) -> None:
        """Forget a blob that nothing refers to any more."""
        ...

    def collect(self, session: Session, grace_seconds: float) -> int:
        """Remove some blobs that nothing has referred to for so long; returns how many it looked at."""
        ...

    def append(self, session: Session, upload: uuid.UUID, start: int, data: Bytes) -> None:
        """Keep a part of an upload, whose row the caller has locked; a part that begins there already is replaced."""
        ...

    def assemble(self, session: Session, upload: uuid.UUID, length: int) -> bytes:
        """The first ``length`` bytes of an upload."""
        ...

    def discard(self, session: Session, upload: uuid.UUID) -> None:
        """Forget an upload's parts; again changes nothing."""
        ...
