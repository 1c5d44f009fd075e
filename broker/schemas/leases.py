"""Leases as agents take and keep them over HTTP."""

import uuid
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from broker.schemas.jobs import KindName, MemoryMib, Word
from broker.schemas.types import MAX_INT, JsonObject, Line, LogText
from broker.services.jobs import Claim, Offer

SessionId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{8,64}$")]
"""Random, and new at each start of the agent: two lives never share their leases."""

Fence = Annotated[int, Field(ge=1, le=MAX_INT)]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class LeaseIn(_In):
    """What an agent can do and has."""

    session: SessionId
    kinds: Annotated[list[KindName], Field(min_length=1, max_length=32)]
    gpu: bool = False
    memory_mib: MemoryMib = 0
    models: Annotated[list[Word], Field(max_length=256)] = Field(default_factory=list)
    site: Word | None = None

    @property
    def offer(self) -> Offer:
        return Offer(self.gpu, self.memory_mib, frozenset(self.models), self.site)


class LeaseOut(BaseModel):
    """A job to work on. ``fence`` is what every later call about it must name."""

    job: uuid.UUID
    kind: str
    spec: dict[str, Any]
    attempt: int
    fence: int
    limit_seconds: float | None
    lease_seconds: float
    """Renew well before: a beat every third of it loses nothing when one is lost."""

    @classmethod
    def of(cls, held: Claim, lease_seconds: float) -> "LeaseOut":
        return cls(
            job=held.id,
            kind=held.kind,
            spec=held.spec,
            attempt=held.attempt,
            fence=held.fence,
            limit_seconds=held.limit_seconds,
            lease_seconds=lease_seconds,
        )


class HeldIn(_In):
    job: uuid.UUID
    fence: Fence
    progress: JsonObject | None = None
    log: LogText | None = None


class BeatIn(_In):
    """Every job that the agent believes it holds."""

    session: SessionId
    held: Annotated[list[HeldIn], Field(max_length=64)] = Field(default_factory=list)


class OrderOut(BaseModel):
    order: Literal["stop"]
    job: uuid.UUID
    reason: str


class BeatOut(BaseModel):
    """``orders`` name the jobs to stop at once: nothing about them will be written any more."""

    now: datetime
    lease_seconds: float
    orders: list[OrderOut]


class FinishIn(_In):
    """``broke`` asks for another attempt; ``failed`` says that none would help."""

    session: SessionId
    fence: Fence
    outcome: Literal["succeeded", "failed", "broke"]
    result: JsonObject = Field(default_factory=dict)
    error: JsonObject | None = None
    log: LogText | None = None


class ReleaseIn(_In):
    """``seconds`` later the job is due again: time for an agent that can do it, if this one cannot."""

    session: SessionId
    fence: Fence
    reason: Line | None = None
    seconds: Annotated[float, Field(ge=0, le=3600)] = 0.0
