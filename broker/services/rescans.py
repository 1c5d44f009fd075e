"""Verdicts have an end. Before it the packet is scanned again; after it nobody can pull it, and its state says so."""

from datetime import timedelta

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from broker.models import Job, JobKind, JobState, Packet, PacketState
from broker.services import jobs, lifecycle
from m2kt.signing.keys import PrivateKey
from m2kt.signing.validity import time_text

TIME = "time"
"""Who moves what has expired."""

EARLY = 10
"""A scan is asked for when this part of a verdict's life is left."""

AGAIN = timedelta(hours=1)
"""Not more often than this: a scan that breaks every time must not fill the ledger."""

BITE = 100
_JUDGED = (PacketState.APPROVED, PacketState.YANKED, PacketState.EXPIRED, PacketState.QUARANTINED)


def expire(session: Session, key: PrivateKey) -> int:
    """Say of approved packets whose verdict is too old that they have expired; returns how many."""
    late = select(Packet).where(Packet.state == PacketState.APPROVED, Packet.good_until <= func.clock_timestamp())
    held = session.scalars(_some(late)).all()
    reasons = {each.packet_id: f"its verdict was good until {_end(each)}" for each in held}
    lifecycle.move_all(session, key, held, PacketState.EXPIRED, reasons=reasons, by=TIME)
    return len(held)


def ask(session: Session, life: timedelta) -> int:
    """Order scans of what ends soon or has ended, unless one is on its way or was just tried; returns how many."""
    soon = func.clock_timestamp() + life / EARLY
    tried = select(Job.id).where(
        Job.packet_id == Packet.packet_id, Job.kind == JobKind.SCAN, Job.created > func.clock_timestamp() - AGAIN
    )
    due = select(Packet).where(Packet.good_until <= soon, Packet.state.in_(_JUDGED), ~tried.exists())
    return sum(_order(session, each.packet_id) for each in session.scalars(_some(due)).all())


def _order(session: Session, packet_id: str) -> bool:
    """A statement of its own, with the packet held: it sees what another replica has ordered meanwhile."""
    live = select(Job.id).where(
        Job.packet_id == packet_id, Job.kind == JobKind.SCAN, Job.state.in_((JobState.QUEUED, JobState.RUNNING))
    )
    if session.scalar(live) is not None:
        return False
    jobs.submit(session, JobKind.SCAN, {"packet_id": packet_id}, submitter=TIME, packet_id=packet_id)
    return True


def _some(due: Select[Packet]) -> Select[Packet]:
    """A bite, held; what somebody else holds has its turn next time."""
    held = due.order_by(Packet.good_until).limit(BITE).with_for_update(skip_locked=True, key_share=True)
    return held.execution_options(populate_existing=True)


def _end(packet: Packet) -> str:
    assert packet.good_until is not None
    return time_text(packet.good_until)
