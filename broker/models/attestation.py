"""What was said about a packet, each statement signed by who said it. Append-only: a trigger refuses anything else."""

from sqlalchemy import BigInteger, ForeignKey, Identity, LargeBinary, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from broker.db import Base
from broker.models.columns import Created
from broker.models.seal import Sealed


class Attestation(Sealed, Base):
    __tablename__ = "attestations"
    __table_args__ = (UniqueConstraint("packet_id", "digest"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    packet_id: Mapped[str] = mapped_column(ForeignKey("packets.packet_id"))
    predicate_type: Mapped[str] = mapped_column(Text)
    envelope: Mapped[bytes] = mapped_column(LargeBinary)
    """The DSSE envelope's bytes as signed and sent, never re-serialised."""
    digest: Mapped[str] = mapped_column(Text)
    """SHA-256 of the envelope: the same statement sent twice is one row."""
    signer: Mapped[str] = mapped_column(Text)
    created: Mapped[Created]
