"""Where the bytes of packets lie. Content-addressed: a blob's name is the digest of its bytes, ``sha256:`` and hex."""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy.orm import Session

from m2kt.errors import M2KTError

Bytes = bytes | bytearray | memoryview


@dataclass(frozen=True)
class Order:
    """A statement for psycopg."""

    sql: str
    values: Mapping[str, object]


class Draft(Protocol):
    """Bytes that are being written while others check them and write what refers to them."""

    def confirm(self) -> None:
        """They were checked, and are wanted: go on to the end without being waited for."""
        ...

    def order(self) -> Order | None:
        """The statement that lets the row which this transaction is about to write refer to them: durable when it
        commits. When they went away before, the row's foreign key fails, and `lost` says why. None: use `keep`."""
        ...

    def keep(self, session: Session) -> None:
        """The same for bytes that are more than one statement."""
        ...

    def lost(self) -> M2KTError:
        """The error of a transaction whose bytes went away before it could refer to them."""
        ...

    def finish(self) -> None:
        """Wait until they are where they belong: the last step before the commit."""
        ...

    def drop(self) -> None:
        """Nobody wants them. After `confirm` it changes nothing."""
        ...


class BlobStore(Protocol):
    """What the broker needs of a store: Postgres itself, or objects outside (`broker.storage.external`)."""

    def expecting(self, digest: str) -> Order | None:
        """What the database must have been told, and have committed, before `begin`; for whoever writes something
        before anyway. `begin` does it itself unless it is told that this was done."""
        ...

    def begin(self, data: Bytes, digest: str, *, expected: bool = False) -> Draft:
        """Begin to store ``data``, whose digest the caller has computed. The draft must be finished or dropped."""
        ...

    def put(self, session: Session, data: Bytes, digest: str) -> None:
        """All of it at once, for a row that this transaction writes. Storing it again changes nothing."""
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
