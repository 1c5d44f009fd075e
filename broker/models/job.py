"""The ledger of jobs: this row is the truth, Celery's message is a doorbell."""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, Text, Uuid, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from broker.db import Base
from broker.models.columns import Created, Sequence, Timestamp, words


class JobKind(StrEnum):
    SCAN = "scan"
    EXTRACT = "extract"
    ALIGN = "align"
    NOOP = "noop"


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """It ran and said no; running it again would say the same."""
    CANCELLED = "cancelled"
    DEAD = "dead"
    """It lost its worker, or its worker broke, on every attempt."""


class Job(Base):
    __tablename__ = "jobs"
    __table_args__ = (
        Index("ix_jobs_due", "kind", "not_before", postgresql_where=text("state = 'queued'")),
        Index("ix_jobs_leases", "lease_until", postgresql_where=text("state = 'running'")),
        Index(None, "packet_id"),
        Index(
            "uq_jobs_live_scan",
            "packet_id",
            unique=True,
            postgresql_where=text("kind = 'scan' AND state IN ('queued', 'running')"),
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True, default=uuid.uuid4)
    seq: Mapped[Sequence]
    kind: Mapped[JobKind] = mapped_column(words(JobKind, "kind"))
    state: Mapped[JobState] = mapped_column(words(JobState, "state"), server_default=JobState.QUEUED)
    packet_id: Mapped[str | None] = mapped_column(ForeignKey("packets.packet_id"))
    """The packet that a scan looks at."""
    submitter: Mapped[str] = mapped_column(Text)
    spec: Mapped[dict[str, Any]] = mapped_column(JSONB)
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    progress: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    error: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    attempt: Mapped[int] = mapped_column(Integer, server_default="0")
    fence: Mapped[int] = mapped_column(BigInteger, server_default="0")
    """Raised by every claim and by cancel: an owner with an older fence may write nothing."""
    lease_owner: Mapped[str | None] = mapped_column(Text)
    lease_until: Mapped[datetime | None] = mapped_column(Timestamp)
    not_before: Mapped[datetime] = mapped_column(Timestamp, server_default=func.clock_timestamp())
    created: Mapped[Created]
    finished: Mapped[datetime | None] = mapped_column(Timestamp)
