"""The ledger of jobs: this row is the truth, Celery's message is a doorbell."""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Double,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    Text,
    Uuid,
    false,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from broker.db import Base
from broker.models.columns import Created, Project, Sequence, Timestamp, words
from broker.models.seal import Sealed


class JobKind(StrEnum):
    """Kinds that this version knows by name. The column takes any word: a newer broker may know more."""

    SCAN = "scan"
    EXTRACT = "extract"
    ALIGN = "align"
    VERIFY = "verify"
    AGGREGATE = "aggregate"
    EXCHANGE = "exchange"
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


LIVE = (JobState.QUEUED, JobState.RUNNING)


class Job(Sealed, Base):
    __tablename__ = "jobs"
    __table_args__ = (
        Index(
            "ix_jobs_due",
            "kind",
            text("priority DESC"),
            "not_before",
            "seq",
            postgresql_where=text("state = 'queued' AND waits_for = 0"),
        ),
        Index("ix_jobs_leases", "lease_until", postgresql_where=text("state = 'running'")),
        Index("ix_jobs_finished", "finished", postgresql_where=text("finished IS NOT NULL")),
        Index(None, "packet_id"),
        Index(
            "uq_jobs_live_scan",
            "packet_id",
            unique=True,
            postgresql_where=text("kind = 'scan' AND state IN ('queued', 'running')"),
        ),
        Index(
            "uq_jobs_live_twin",
            "submitter",
            "kind",
            "dedup_key",
            unique=True,
            postgresql_where=text("state IN ('queued', 'running')"),
        ),
        Index("uq_jobs_idempotency", "submitter", "idempotency_key", unique=True),
    )

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True, default=uuid.uuid4)
    seq: Mapped[Sequence]
    kind: Mapped[str] = mapped_column(Text)
    state: Mapped[JobState] = mapped_column(words(JobState, "state"), server_default=JobState.QUEUED)
    packet_id: Mapped[str | None] = mapped_column(ForeignKey("packets.packet_id"))
    """The packet that a scan looks at."""
    project: Mapped[Project]
    submitter: Mapped[str] = mapped_column(Text)
    spec: Mapped[dict[str, Any]] = mapped_column(JSONB)
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    progress: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    error: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    priority: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    """Higher goes first."""
    needs_gpu: Mapped[bool] = mapped_column(Boolean, server_default=false())
    needs_memory_mib: Mapped[int] = mapped_column(Integer, server_default="0")
    needs_model: Mapped[str | None] = mapped_column(Text)
    needs_site: Mapped[str | None] = mapped_column(Text)
    dedup_key: Mapped[str | None] = mapped_column(Text)
    """At most one live job of a submitter and kind has it."""
    idempotency_key: Mapped[str | None] = mapped_column(Text)
    order_sha256: Mapped[str | None] = mapped_column(Text)
    """What was asked for with the idempotency key: the same key with another order is a mistake."""
    waits_for: Mapped[int] = mapped_column(Integer, server_default="0")
    """How many of the jobs that it needs have not succeeded yet."""
    attempt: Mapped[int] = mapped_column(Integer, server_default="0")
    max_attempts: Mapped[int] = mapped_column(Integer, server_default="3")
    limit_seconds: Mapped[float | None] = mapped_column(Double)
    """An attempt that takes longer is ended, and the job has failed."""
    fence: Mapped[int] = mapped_column(BigInteger, server_default="0")
    """Raised by every claim and by cancel: an owner with an older fence may write nothing."""
    events: Mapped[int] = mapped_column(Integer, server_default="1")
    """How many rows tell of it in `JobEvent`; it begins with "queued". The audit finds one that is missing."""
    lease_owner: Mapped[str | None] = mapped_column(Text)
    lease_until: Mapped[datetime | None] = mapped_column(Timestamp)
    not_before: Mapped[datetime] = mapped_column(Timestamp, server_default=func.clock_timestamp())
    created: Mapped[Created]
    finished: Mapped[datetime | None] = mapped_column(Timestamp)


class JobNeed(Sealed, Base):
    """``job_id`` may begin once ``needs_id`` has succeeded."""

    __tablename__ = "job_needs"
    __table_args__ = (Index(None, "needs_id"),)

    job_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    needs_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
