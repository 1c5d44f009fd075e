"""What publishing needs beside the packet: uploads, answers to repeat, rates, blobs nobody refers to."""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, LargeBinary, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from broker.db import Base
from broker.models.columns import Timestamp, words
from broker.models.seal import Sealed


class UploadState(StrEnum):
    OPEN = "open"
    COMPLETE = "complete"
    ABORTED = "aborted"
    EXPIRED = "expired"


class Upload(Sealed, Base):
    """Bytes of a packet that arrive in parts. ``open`` ends in one of the three others, and none of them ends."""

    __tablename__ = "uploads"
    __table_args__ = (
        Index("uq_uploads_open", "publisher", "digest", unique=True, postgresql_where=text("state = 'open'")),
        Index(None, "expires"),
        Index("ix_uploads_uncleared", "id", postgresql_where=text("state <> 'open' AND NOT cleared")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    publisher: Mapped[str] = mapped_column(Text)
    digest: Mapped[str] = mapped_column(Text)
    """What all bytes together must be; checked at the end."""
    length: Mapped[int] = mapped_column(BigInteger)
    received: Mapped[int] = mapped_column(BigInteger)
    """Where the next part begins: everything before it is durable."""
    chain: Mapped[str] = mapped_column(Text, server_default="")
    """What was received, as `broker.storage.pieces.chained` says: the audit compares the parts with it."""
    state: Mapped[UploadState] = mapped_column(words(UploadState, "state"), server_default=UploadState.OPEN)
    reason: Mapped[str | None] = mapped_column(Text)
    packet_id: Mapped[str | None] = mapped_column(Text)
    created: Mapped[datetime] = mapped_column(Timestamp, server_default=func.clock_timestamp())
    expires: Mapped[datetime] = mapped_column(Timestamp)
    """While open: when it is given up. Afterwards: when its row is forgotten."""
    cleared: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether its parts are gone."""


class UploadPart(Base):
    """A part's bytes, where the store keeps them in Postgres, in the pieces of `Upload.chain`."""

    __tablename__ = "upload_parts"

    upload_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("uploads.id", ondelete="CASCADE"), primary_key=True)
    start: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    data: Mapped[bytes] = mapped_column(LargeBinary)


class IdempotencyKey(Sealed, Base):
    """The answer to a request that may come again. ``fingerprint`` is what was asked."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index(None, "created"),)

    owner: Mapped[str] = mapped_column(Text, primary_key=True)
    key: Mapped[str] = mapped_column(Text, primary_key=True)
    fingerprint: Mapped[str] = mapped_column(Text)
    status: Mapped[int] = mapped_column(Integer)
    answer: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created: Mapped[datetime] = mapped_column(Timestamp, server_default=func.clock_timestamp())


class RateLimit(Sealed, Base):
    """When a caller's bucket is full again (GCRA): one row per caller is the whole state, shared by all replicas."""

    __tablename__ = "rate_limits"

    caller: Mapped[str] = mapped_column(Text, primary_key=True)
    full_at: Mapped[datetime] = mapped_column(Timestamp)


class PendingBlob(Sealed, Base):
    """A blob that may lie outside Postgres without a packet that refers to it. See `broker.storage.external`."""

    __tablename__ = "pending_blobs"
    __table_args__ = (Index(None, "since"),)

    sha256: Mapped[str] = mapped_column(Text, primary_key=True)
    since: Mapped[datetime] = mapped_column(Timestamp, server_default=func.clock_timestamp())
