"""Rows that nobody can change, add or remove unseen: `m2kt log audit` names them (docs/log.md)."""

from sqlalchemy import BigInteger, Integer, LargeBinary, Text
from sqlalchemy.orm import Mapped, mapped_column

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
}
"""Tables whose rows carry no seal, because each byte in them follows from what does."""

FLEETING = {
    "rate_limits": "how fast callers may go, for a minute; a row is written by every signed request, and a crash of "
    "Postgres forgives them all (the table is unlogged), which a count would take for a theft",
    "upload_parts": "bytes on their way in: what completes an upload compares them with the digest in its sealed row, "
    "and what is missing or changed aborts it",
}
"""Tables whose rows carry no seal, because nobody believes them: what stands in them decides nothing that lasts.

Beside them ``concept_vectors`` (migration 0010) is no model's table: it is made anew from packets' bytes, and a search
leads to packets that students verify whatever led to them."""
