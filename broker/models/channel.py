"""Channels of a name (``stable``, ``canary``), and the heads that they had. Heads are append-only."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, LargeBinary, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from broker.db import Base
from broker.models.columns import Created, Timestamp
from broker.models.seal import Sealed


class Channel(Sealed, Base):
    """Which head is the present one: the row that movers hold."""

    __tablename__ = "channels"
    __table_args__ = (UniqueConstraint("name", "channel"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    channel: Mapped[str] = mapped_column(Text)
    serial: Mapped[int] = mapped_column(BigInteger, server_default="0")
    """Of the present head; it only grows. 0: none yet, in the transaction that makes the channel."""


class ChannelHead(Sealed, Base):
    """What the broker signed about a channel."""

    __tablename__ = "channel_heads"
    __table_args__ = (UniqueConstraint("channel_id", "serial"), Index(None, "packet_id"))

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    channel_id: Mapped[int] = mapped_column(ForeignKey("channels.id"))
    serial: Mapped[int] = mapped_column(BigInteger)
    packet_id: Mapped[str] = mapped_column(ForeignKey("packets.packet_id"))
    version: Mapped[str] = mapped_column(Text)
    expires: Mapped[datetime] = mapped_column(Timestamp)
    by: Mapped[str] = mapped_column(Text)
    envelope: Mapped[bytes] = mapped_column(LargeBinary)
    digest: Mapped[str] = mapped_column(Text)
    created: Mapped[Created]

    channel: Mapped[Channel] = relationship(lazy="joined")
