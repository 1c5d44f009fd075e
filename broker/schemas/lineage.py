"""Lineage, outcomes and recalls as they are shown."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from pydantic import BaseModel

from broker.models import Packet, PacketState, Pull
from broker.services.outcomes import Sum
from broker.services.recalls import Recall


class RelativeOut(BaseModel):
    """An ancestor or a descendant, and its own parents: the edges."""

    packet_id: str
    name: str
    version: str
    kind: str
    publisher: str
    state: PacketState
    reason: str | None
    depth: int
    """Steps between the packet that was asked about and this one, the fewest."""
    parents: list[str]

    @classmethod
    def of(cls, packet: Packet, depth: int, parents: Sequence[str]) -> "RelativeOut":
        same = ("packet_id", "name", "version", "kind", "publisher", "state", "reason")
        return cls(depth=depth, parents=list(parents), **{each: getattr(packet, each) for each in same})


class LineageOut(BaseModel):
    packet_id: str
    parents: list[str]
    truncated: bool
    """There are more, further away than ``depth``, or too many to show."""
    items: list[RelativeOut]


class OutcomesOut(BaseModel):
    """What a packet, or the packets of a publisher, did to students, by their signed reports."""

    packets: int
    students: int
    reports: int
    held: int
    """How many students have it now; over several packets, how many times."""
    decisions: dict[str, int]
    """Each student's last decision about a packet."""
    measured: int
    before: float | None
    after: float | None
    improvement: float | None
    """Means over what was measured: accuracy on the students' own checks, from 0 to 1."""
    improvement_low: float | None
    """The least of the lower ends of their intervals."""

    @classmethod
    def of(cls, found: Sum) -> "OutcomesOut":
        values: dict[str, Any] = {each: getattr(found, each) for each in cls.model_fields}
        return cls(**values)


class RecallOut(BaseModel):
    """A student, a packet that it has and should put away, and why."""

    student: str
    packet_id: str
    name: str
    version: str
    state: PacketState
    reason: str | None
    since: datetime

    @classmethod
    def of(cls, recall: Recall) -> "RecallOut":
        return cls(**{each: getattr(recall, each) for each in cls.model_fields})


class RecallPage(BaseModel):
    items: list[RecallOut]


class PullOut(BaseModel):
    """Somebody had the packet's bytes on a day, first at ``at``."""

    agent: str
    """An agent's name, or that of somebody signed in at the dashboard: ``carol@dashboard``."""
    day: date
    at: datetime

    @classmethod
    def of(cls, row: Pull) -> "PullOut":
        return cls(agent=row.agent, day=row.day, at=row.at)


class PullPage(BaseModel):
    items: list[PullOut]
