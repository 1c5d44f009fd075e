"""Exchanges as they are opened, joined and shown."""

import base64
import uuid
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from broker.models import (
    PULLABLE,
    Exchange,
    ExchangeComplaint,
    ExchangePeer,
    ExchangeRound,
    ExchangeState,
    ExchangeTurn,
    PacketState,
    PeerState,
    Phase,
)
from broker.schemas.types import AgentName, JsonObject, Line, PacketName, PacketRef, ProjectName
from broker.services import rounds
from broker.services.exchanges import Opening
from m2kt.errors import ExchangeError, ManifestError, PlanInvalid
from m2kt.exchange import RoundPlan
from m2kt.exchange.packets import MAX_PLACES, description_digest, parse_shape
from m2kt.packet import canonical, fields

MAX_PEERS = 64
MAX_CLASSES = 65_536

ClassName = Annotated[str, StringConstraints(min_length=1, max_length=128)]
ShapeText = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,7}(x[1-9][0-9]{0,7}){0,2}$")]
Seconds = Annotated[float, Field(gt=0, le=604_800, allow_inf_nan=False)]
RoundNumber = Annotated[int, Field(ge=0, le=2**31 - 1)]
Step = Annotated[int, Field(ge=0, le=2**63 - 1)]
Loss = Annotated[float, Field(allow_inf_nan=False)]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TaskIn(_In):
    """A labelled task as the broker is told of it: digests instead of samples and labels."""

    name: PacketName
    classes: Annotated[list[ClassName], Field(min_length=2, max_length=MAX_CLASSES)]
    samples_sha256: PacketRef
    sample_count: Annotated[int, Field(ge=1, le=MAX_PLACES)]
    labels_sha256: PacketRef
    shape: ShapeText = "1"
    """Places of one sample: ``1``, or ``HxW`` where every pixel has a label."""

    def checked(self) -> dict[str, Any]:
        """As stored; `ExchangeError` for what canonical JSON cannot say, and for classes named twice."""
        found = self.model_dump()
        if len(set(self.classes)) < len(self.classes):
            raise ExchangeError("a class is named twice")
        try:
            fields.name(self.name, "task.name")
        except ManifestError as error:
            raise ExchangeError(error.detail) from error
        parse_shape(self.shape)
        description_digest(found)
        return found


class ExchangeIn(_In):
    task: TaskIn
    project: ProjectName | None = None
    """For those who are at home in every one."""
    plan: JsonObject
    """As `m2kt.exchange.RoundPlan` has it; decimals are strings."""
    invited: Annotated[list[AgentName], Field(min_length=2, max_length=MAX_PEERS)] | None = None
    """Names of agents; without them whoever may join."""
    least: Annotated[int, Field(ge=2, le=MAX_PEERS)] = 2
    most: Annotated[int, Field(ge=2, le=MAX_PEERS)] = MAX_PEERS
    """It begins when so many have joined (of those invited: all), or at the deadline with at least ``least``."""
    join_seconds: Seconds = 600.0
    phase_seconds: Seconds = 120.0
    """How long each of a round's three phases waits for those who are late."""

    def opening(self) -> Opening:
        invited = None if self.invited is None else tuple(self.invited)
        if self.most < self.least:
            raise ExchangeError(f"most ({self.most}) is below least ({self.least})")
        return Opening(
            task=self.task.checked(),
            plan=self._plan(),
            invited=invited,
            least=self.least,
            most=self.most,
            join_seconds=self.join_seconds,
            phase_seconds=self.phase_seconds,
            project=self.project,
        )

    def _plan(self) -> RoundPlan:
        try:
            return RoundPlan.from_bytes(canonical.dumps(self.plan))
        except ManifestError as error:
            raise PlanInvalid(error.detail) from error


class JoinIn(_In):
    task: TaskIn


class LeaveIn(_In):
    reason: Line = "it said no more"


class ConfidencesIn(_In):
    """``task`` and ``samples`` are digests of what the peer holds now."""

    task: PacketRef
    samples: PacketRef
    values: str
    """Base64 of little-endian float32, one for each place of the round, in the plan's order."""


class ReportIn(_In):
    """Mean losses of the round, before each step; ``left_out`` names teachers whose predictions were not used."""

    task: Loss
    exchange: Loss
    left_out: Annotated[list[AgentName], Field(max_length=MAX_PEERS)] = Field(default_factory=list)


class PeerOut(BaseModel):
    name: str
    key_id: str
    state: PeerState
    reason: str | None
    joined: datetime

    @classmethod
    def of(cls, row: ExchangePeer) -> "PeerOut":
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class TurnOut(BaseModel):
    """What a peer did in a round. ``usable``: the others learn from its packet."""

    peer: str
    posted: bool
    taught: int
    packet_id: str | None
    packet_state: PacketState | None
    usable: bool
    report: dict[str, Any] | None
    dropped: str | None

    @classmethod
    def of(cls, row: ExchangeTurn, state: PacketState | None) -> "TurnOut":
        return cls(
            peer=row.peer,
            posted=row.confidences is not None,
            taught=row.taught,
            packet_id=row.packet_id,
            packet_state=state,
            usable=row.dropped is None and state in PULLABLE,
            report=row.report,
            dropped=row.dropped,
        )


class ComplaintOut(BaseModel):
    accused: str
    complainant: str
    places: int
    attestation_id: int
    """The signed complaint is this attestation of the accused's packet."""
    created: datetime

    @classmethod
    def of(cls, row: ExchangeComplaint) -> "ComplaintOut":
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class RoundOut(BaseModel):
    number: int
    peers: list[str] | None
    """Who posted confidences, by name: the rows of the masks."""
    turns: list[TurnOut]
    complaints: list[ComplaintOut]
    began: datetime
    ended: datetime | None

    @classmethod
    def of(cls, row: ExchangeRound, turns: list[TurnOut], complaints: list[ExchangeComplaint]) -> "RoundOut":
        return cls(
            number=row.number,
            peers=row.peers,
            turns=turns,
            complaints=[ComplaintOut.of(each) for each in complaints],
            began=row.began,
            ended=row.ended,
        )


class MasksOut(BaseModel):
    """Everybody's confidences and who teaches what, so that every peer can compute the masks again."""

    peers: list[str]
    confidences: dict[str, str]
    """Base64 of little-endian float32, by peer."""
    teachers: str
    """Base64 of one byte for each place: the teacher's number in ``peers``."""

    @classmethod
    def of(cls, row: ExchangeRound, turns: list[ExchangeTurn]) -> "MasksOut":
        named = {each.peer: base64.b64encode(each.confidences or b"").decode() for each in turns}
        found = row.peers or []
        teachers = base64.b64encode(row.teachers or b"").decode()
        return cls(peers=found, confidences={each: named[each] for each in found}, teachers=teachers)


class ExchangeSummary(BaseModel):
    id: uuid.UUID
    project: str
    task_name: str
    state: ExchangeState
    round: int
    rounds: int
    phase: Phase | None
    opened_by: str
    created: datetime
    finished: datetime | None
    reason: str | None

    @classmethod
    def of(cls, row: Exchange) -> "ExchangeSummary":
        own = {name: getattr(row, name) for name in cls.model_fields if name not in ("task_name", "rounds")}
        return cls(task_name=row.task["name"], rounds=rounds.plan_of(row.plan).rounds, **own)


class ExchangeOut(ExchangeSummary):
    """``step`` is raised with every change: ask with ``after`` and ``wait`` for the next one."""

    step: int
    deadline: datetime | None
    task: dict[str, Any]
    task_sha256: str
    plan: dict[str, Any]
    plan_sha256: str
    invited: list[str] | None
    least: int
    most: int
    phase_seconds: float
    peers: list[PeerOut]
    current: RoundOut | None
    """The present round, or the last one."""

    @classmethod
    def seen(cls, row: Exchange, peers: list[ExchangePeer], current: RoundOut | None) -> "ExchangeOut":
        plan = rounds.plan_of(row.plan)
        same = ("step", "deadline", "task", "invited", "least", "most", "phase_seconds")
        return cls(
            **ExchangeSummary.of(row).model_dump(),
            **{name: getattr(row, name) for name in same},
            task_sha256=description_digest(row.task),
            plan=canonical.loads(row.plan.encode(), max_bytes=len(row.plan.encode())),
            plan_sha256=plan.digest,
            peers=[PeerOut.of(each) for each in peers],
            current=current,
        )


class ExchangePage(BaseModel):
    items: list[ExchangeSummary]
