"""The change feed: what happened, for subscribers who remember how far they have read."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Identity, Index, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from broker.db import Base
from broker.models.columns import Timestamp
from broker.models.seal import Sealed


class FeedEvent(Sealed, Base):
    """Written by the transaction whose change it tells of. It has no ``number`` before that has committed."""

    __tablename__ = "feed"
    __table_args__ = (Index("ix_feed_waiting", "id", postgresql_where=text("number IS NULL")),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    """Order of writing. Transactions commit in another order, so nobody may remember this one."""
    number: Mapped[int | None] = mapped_column(BigInteger, unique=True)
    """Its place in the feed: given out by one transaction at a time, so that they become visible in order."""
    kind: Mapped[str] = mapped_column(Text)
    packet_id: Mapped[str | None] = mapped_column(Text)
    name: Mapped[str | None] = mapped_column(Text)
    version: Mapped[str | None] = mapped_column(Text)
    detail: Mapped[dict[str, Any]] = mapped_column(JSONB)
    at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.clock_timestamp())
