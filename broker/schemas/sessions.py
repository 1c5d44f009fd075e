"""Enrolment, sessions and heartbeats as they travel."""

import uuid
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from broker.models import Enrolment, Role
from broker.schemas.leases import HeldIn, SessionId
from broker.schemas.types import AgentName, ProjectName, ProjectOrEvery, PublicKeyText

Token = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,128}$")]
HostName = Annotated[str, StringConstraints(pattern=r"^[\x20-\x7e]{1,128}$")]
NamePattern = Annotated[str, StringConstraints(pattern=r"^[a-z0-9._*?\[\]!-]{1,64}$")]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class EnrolmentIn(_In):
    """What a token is for."""

    role: Role
    project: ProjectOrEvery | None = None
    name_pattern: NamePattern | None = None
    """Shell wildcards: ``gpu-*``."""
    lifetime_seconds: Annotated[int, Field(ge=1, le=7 * 86400)] = 900


class EnrolmentOut(BaseModel):
    id: int
    role: Role
    project: str
    name_pattern: str | None
    made_by: str
    created: datetime
    expires: datetime
    used: datetime | None
    key_id: str | None

    @classmethod
    def of(cls, row: Enrolment) -> "EnrolmentOut":
        return cls(role=Role(row.role), **{name: getattr(row, name) for name in cls.model_fields if name != "role"})


class EnrolmentMade(EnrolmentOut):
    token: str
    """Shown this once: the broker keeps its digest only."""


class EnrolmentPage(BaseModel):
    items: list[EnrolmentOut]


class EnrolIn(_In):
    """The request is signed by the key that it brings. Without role or project, the token's hold."""

    token: Token
    name: AgentName
    public_key: PublicKeyText
    role: Role | None = None
    project: ProjectName | None = None


class SessionIn(_In):
    session: SessionId
    host: HostName | None = None


class SessionOut(BaseModel):
    """Sign with ``session`` from now on (header M2KT-Session), and beat every ``beat_seconds``."""

    session: str
    epoch: int
    name: str
    role: Role
    project: str
    opened: datetime
    now: datetime
    draining: bool
    beat_seconds: float
    lease_seconds: float
    broker_version: str


class HeartbeatIn(_In):
    """Every job that the agent believes it holds."""

    held: Annotated[list[HeldIn], Field(max_length=64)] = Field(default_factory=list)


class StopOrder(BaseModel):
    """End this job's process at once: nothing about it will be written any more."""

    order: Literal["stop"] = "stop"
    job: uuid.UUID
    reason: str


class DrainOrder(BaseModel):
    """Take nothing more, finish or hand back what runs, and end."""

    order: Literal["drain"] = "drain"
    since: datetime


class RecallOrder(BaseModel):
    """Take this packet out of force, and report an outcome with the decision ``recalled``."""

    order: Literal["recall"] = "recall"
    packet_id: str
    reason: str


class HeartbeatOut(BaseModel):
    now: datetime
    epoch: int
    beat_seconds: float
    lease_seconds: float
    orders: list[Annotated[StopOrder | DrainOrder | RecallOrder, Field(discriminator="order")]]
