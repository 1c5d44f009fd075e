"""Who had a packet's bytes."""

from datetime import date, datetime

from sqlalchemy import BigInteger, Date, ForeignKey, Identity, Text, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from broker.db import Base
from broker.models.columns import Timestamp
from broker.models.seal import Sealed


class Pull(Sealed, Base):
    """Bytes of a packet left for somebody: the first time of a day (UTC). Append-only."""

    __tablename__ = "pulls"
    __table_args__ = (UniqueConstraint("packet_id", "agent", "day"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    packet_id: Mapped[str] = mapped_column(ForeignKey("packets.packet_id"))
    agent: Mapped[str] = mapped_column(Text)
    """An agent's name, or that of somebody signed in: ``carol@dashboard``."""
    day: Mapped[date] = mapped_column(Date)
    at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.clock_timestamp())
