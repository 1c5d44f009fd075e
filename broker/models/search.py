"""Tags of packets, and the spaces in which concepts can be compared."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, Integer, Text, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from broker.db import Base
from broker.models.columns import Timestamp
from broker.models.seal import Sealed


class PacketTag(Sealed, Base):
    """A word that helps to find a packet. Not signed, not part of it; may be taken off again."""

    __tablename__ = "packet_tags"
    __table_args__ = (Index(None, "tag", "packet_seq"),)

    packet_seq: Mapped[int] = mapped_column(BigInteger, ForeignKey("packets.seq", ondelete="CASCADE"), primary_key=True)
    tag: Mapped[str] = mapped_column(Text, primary_key=True)
    set_by: Mapped[str] = mapped_column(Text)
    created: Mapped[datetime] = mapped_column(Timestamp, server_default=func.clock_timestamp())


class ConceptSpace(Sealed, Base):
    """One teacher's weights, read by one operator: only concepts of the same space can be compared."""

    __tablename__ = "concept_spaces"
    __table_args__ = (UniqueConstraint("weights_sha256", "operator", "width"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    weights_sha256: Mapped[str] = mapped_column(Text)
    operator: Mapped[str] = mapped_column(Text)
    width: Mapped[int] = mapped_column(Integer)
    vectors: Mapped[int] = mapped_column(BigInteger, server_default="0")
