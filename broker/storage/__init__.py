"""Where the bytes of packets lie. Content-addressed: a blob's name is the digest of its bytes, ``sha256:`` and hex."""

from collections.abc import Iterator
from typing import Protocol

from sqlalchemy.orm import Session


class BlobStore(Protocol):
    """What the broker needs of a store; Postgres is the first one, S3 can stand behind the same three methods."""

    def put(self, session: Session, data: bytes) -> str:
        """Store ``data`` and return its digest; storing it again changes nothing."""
        ...

    def read(self, session: Session, digest: str, start: int, stop: int) -> Iterator[bytes]:
        """The bytes ``[start, stop)`` of a blob, in pieces."""
        ...

    def delete(self, session: Session, digest: str) -> None:
        """Forget a blob that nothing refers to any more."""
        ...
