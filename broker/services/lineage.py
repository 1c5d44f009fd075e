"""What packets were made of: edges from signed manifests, checked when a packet is published."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ARRAY, ScalarSelect, Select, Text, any_, func, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import InstrumentedAttribute, Session

from broker.models import Packet, PacketParent, PacketState, Restatement
from broker.services.scopes import EVERYWHERE, Scope
from m2kt.errors import ParentRefused

MAX_DEPTH = 64
MAX_NODES = 10_000
"""How far a look at a lineage goes. What follows a revocation has no limit."""

FALLEN = (PacketState.REVOKED, PacketState.REJECTED)
_LOCK = 0x6D326B74_6C696E65


@dataclass(frozen=True)
class Walk:
    """Packets around one, with their distance from it."""

    depths: dict[str, int]
    truncated: bool
    """There are more, further away."""


def lock(session: Session) -> None:
    """To be taken before any packet is held that may be taken back: nobody becomes its descendant meanwhile."""
    session.execute(select(func.pg_advisory_xact_lock(_LOCK)))


def link(session: Session, packet: Packet, parents: Sequence[str], scope: Scope = EVERYWHERE) -> None:
    """Write down what a new packet was made of. `ParentRefused` for parents that are unknown (to its publisher's
    ``scope``), rejected or revoked.

    There can be no cycle: a packet's id follows from its parents' ids, and they were here before it.
    """
    if not parents:
        return
    session.execute(select(func.pg_advisory_xact_lock_shared(_LOCK)))
    rows = session.execute(
        select(Packet.packet_id, Packet.state, Restatement.packet_id.label("restated"))
        .outerjoin(Restatement, Restatement.packet_id == Packet.packet_id)
        .where(Packet.packet_id.in_(parents), Packet.packet_id != packet.packet_id, scope.within(Packet.project))
    ).all()
    states = {row.packet_id: row.state for row in rows}
    for each in parents:
        if each not in states:
            raise ParentRefused(f"its parent {each} is not known here")
        if states[each] in FALLEN:
            raise ParentRefused(f"its parent {each} is {states[each]}")
    edges = [{"child_id": packet.packet_id, "parent_id": each} for each in dict.fromkeys(parents)]
    session.execute(insert(PacketParent).on_conflict_do_nothing(), edges)
    doubtful = [row.packet_id for row in rows if row.restated or row.state == PacketState.QUARANTINED]
    if doubtful:
        reason = f"its parent {doubtful[0]} is quarantined"
        session.execute(insert(Restatement).values(packet_id=packet.packet_id, cause=doubtful[0], reason=reason))


def family(packet_id: str) -> ScalarSelect[str]:
    """A packet and all its descendants, each once."""
    start = select(literal(packet_id).label("id")).cte("family", recursive=True)
    below = select(PacketParent.child_id).join(start, PacketParent.parent_id == start.c.id)
    return select(start.union(below).c.id).scalar_subquery()


def walk(session: Session, packet_id: str, scope: Scope = EVERYWHERE, *, up: bool, depth: int) -> Walk:
    """Ancestors (``up``) or descendants within ``depth`` steps, level by level: each packet once, at its least
    distance, and never more than `MAX_NODES`. What is outside of ``scope`` is not seen, nor what lies behind it."""
    found, level = {packet_id: 0}, [packet_id]
    for step in range(1, depth + 2):
        level = [each for each in _next(session, level, scope, up=up) if each not in found]
        if not level or step > depth or len(found) > MAX_NODES:
            break
        found |= dict.fromkeys(level[: MAX_NODES + 1 - len(found)], step)
    del found[packet_id]
    return Walk(found, truncated=bool(level))


def _next(session: Session, level: Sequence[str], scope: Scope, *, up: bool) -> Sequence[str]:
    here, there = PacketParent.parent_id, PacketParent.child_id
    if up:
        here, there = there, here
    among = any_(literal(list(level), ARRAY(Text)))
    return session.scalars(_seen(select(there).where(here == among), there, scope).distinct()).all()


def _seen(wanted: Select[Any], end: InstrumentedAttribute[str], scope: Scope) -> Select[Any]:
    """Edges whose ``end`` is of these projects."""
    if scope == EVERYWHERE:
        return wanted
    return wanted.join(Packet, Packet.packet_id == end).where(scope.within(Packet.project))


def page(session: Session, among: Walk, *, after: int, limit: int) -> list[Packet]:
    """The packets of a walk, oldest first, behind sequence number ``after``."""
    within = any_(literal(list(among.depths), ARRAY(Text)))
    wanted = select(Packet).where(Packet.packet_id == within, Packet.seq > after)
    return list(session.scalars(wanted.order_by(Packet.seq).limit(limit)))


def parents(session: Session, packet_ids: Sequence[str], scope: Scope = EVERYWHERE) -> dict[str, list[str]]:
    """What each of these packets was made of, as far as it is of these projects."""
    found: dict[str, list[str]] = {each: [] for each in packet_ids}
    edges = select(PacketParent).where(PacketParent.child_id.in_(packet_ids))
    wanted = _seen(edges, PacketParent.parent_id, scope)
    for row in session.scalars(wanted.order_by(PacketParent.child_id, PacketParent.parent_id)):
        found[row.child_id].append(row.parent_id)
    return found
