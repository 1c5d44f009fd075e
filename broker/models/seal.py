"""Rows that nobody can change, add or remove unseen: `m2kt log audit` names them (docs/log.md)."""

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, Table, Text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import NullType

from broker.db import Base


class Sealed:
    """A table whose rows carry a seal and are counted. Its migration says ``SELECT seal_table('name')``.

    The database's triggers write the column; nothing in the broker sets it or reads it but the audit.
    """

    seal: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)


class RowCount(Sealed, Base):
    """How many rows one connection added to a table and removed from it, and the XOR of their identities.

    Over all ``slot`` they give what must be there; a connection has a slot to itself, so that none waits for another.
    """

    __tablename__ = "row_counts"

    slot: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(Text, primary_key=True)
    rows: Mapped[int] = mapped_column(BigInteger)
    high: Mapped[int] = mapped_column(BigInteger)
    low: Mapped[int] = mapped_column(BigInteger)


DERIVED = {
    "chunks": "the blob's name is the digest of its chunks, in their order",
    "log_tiles": "every tile follows from the leaves, and the signed checkpoint from the tiles",
    "upload_parts": "the upload's row has a chain of their digests, in their order",
}
"""Tables whose rows carry no seal, because each byte in them follows from what does."""

BESIDE_PGVECTOR = Table(
    "concept_vectors",
    MetaData(),
    Column("packet_seq", BigInteger, primary_key=True),
    Column("concept", Integer, primary_key=True),
    Column("space", BigInteger),
    Column("code", NullType),  # halfvec(128)
    Column("seal", LargeBinary),
)
"""A table that is sealed, too, and there only with the extension: migration 0012 makes it, no model describes it."""
