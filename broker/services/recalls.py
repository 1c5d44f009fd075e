"""Which students have what was taken back, by their own signed reports: whom to tell, and what to order them."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Select, Text, any_, literal, or_, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from broker.models import OutcomeReport, Packet, PacketState, Restatement
from broker.services import lineage
from broker.services.scopes import EVERYWHERE, Scope

RECALLED = frozenset({PacketState.REVOKED, PacketState.REJECTED, PacketState.QUARANTINED})
"""States in which no student should go on using a packet that it has."""


@dataclass(frozen=True)
class Recall:
    """A student, a packet that it has and should put away, and why."""

    id: int
    """Of the student's report; what pages go by."""
    student: str
    packet_id: str
    name: str
    version: str
    state: PacketState
    reason: str | None
    since: datetime
    """When the student reported that it has it."""


def for_agent(
    session: Session, name: str, scope: Scope = EVERYWHERE, *, after: int = 0, limit: int = 200
) -> Sequence[Recall]:
    """What this student should put away, in the order of its reports."""
    return _due(session, OutcomeReport.student == name, scope, after, limit)


def of_packet(
    session: Session, packet_id: str, scope: Scope = EVERYWHERE, *, after: int = 0, limit: int = 200
) -> Sequence[Recall]:
    """Who should put away this packet, or what was made of it: whatever of them was taken back."""
    return _due(session, OutcomeReport.packet_id.in_(lineage.family(packet_id)), scope, after, limit)


def holders(session: Session, packet_ids: Collection[str]) -> Counter[str]:
    """How many students have each of these packets."""
    latest = _latest(OutcomeReport.packet_id == any_(literal(list(packet_ids), ARRAY(Text)))).subquery()
    return Counter(session.scalars(select(latest.c.packet_id).where(latest.c.held)))


def _due(session: Session, whose: ColumnElement[bool], scope: Scope, after: int, limit: int) -> list[Recall]:
    latest = _latest(whose).subquery()
    wanted = (
        select(latest, Packet.name, Packet.version, Packet.state, Packet.reason, Restatement.reason.label("restated"))
        .join(Packet, Packet.packet_id == latest.c.packet_id)
        .outerjoin(Restatement, Restatement.packet_id == Packet.packet_id)
        .where(latest.c.held, latest.c.id > after, scope.within(Packet.project))
        .where(or_(Packet.state.in_(RECALLED), Restatement.packet_id.is_not(None)))
        .order_by(latest.c.id)
        .limit(limit)
    )
    return [_recall(row) for row in session.execute(wanted)]


def _recall(row: Any) -> Recall:
    """A packet that is about to be quarantined is recalled as one that is."""
    state = row.state if row.state in RECALLED else PacketState.QUARANTINED
    return Recall(
        row.id, row.student, row.packet_id, row.name, row.version, state, row.restated or row.reason, row.created
    )


def _latest(whose: ColumnElement[bool]) -> Select[Any]:
    """The last report of each student about each packet."""
    pair = (OutcomeReport.student, OutcomeReport.packet_id)
    columns = (OutcomeReport.attestation_id.label("id"), *pair, OutcomeReport.held, OutcomeReport.created)
    newest = OutcomeReport.attestation_id.desc()
    found: Select[Any] = select(*columns)  # type: ignore[assignment]  # rows are read by name
    return found.where(whose).ext(distinct_on(*pair)).order_by(*pair, newest)  # DISTINCT ON: the first of each pair
