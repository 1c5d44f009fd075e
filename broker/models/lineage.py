"""What packets were made of, and what is still to be said about the descendants of a packet that was taken back."""

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from broker.db import Base
from broker.models.columns import Created
from broker.models.seal import Sealed


class PacketParent(Sealed, Base):
    """An edge of the lineage, as the child's signed manifest has it. Append-only."""

    __tablename__ = "packet_parents"
    __table_args__ = (Index(None, "parent_id"), CheckConstraint("child_id <> parent_id", "no_loop"))

    child_id: Mapped[str] = mapped_column(ForeignKey("packets.packet_id"), primary_key=True)
    parent_id: Mapped[str] = mapped_column(ForeignKey("packets.packet_id"), primary_key=True)


class Restatement(Sealed, Base):
    """A descendant whose new state is not signed yet. While the row is there, nobody can pull or approve it."""

    __tablename__ = "restatements"

    packet_id: Mapped[str] = mapped_column(ForeignKey("packets.packet_id"), primary_key=True)
    cause: Mapped[str] = mapped_column(Text)
    """The ancestor that was taken back."""
    reason: Mapped[str] = mapped_column(Text)
    created: Mapped[Created]
