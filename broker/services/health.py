"""What an operator's machines ask."""

from sqlalchemy import extract, func, select, text
from sqlalchemy.orm import Session

from broker.models import LIVE, Job, JobKind, JobState, Packet, PacketState
from broker.services.scopes import EVERYWHERE, Scope


def check_database(session: Session) -> None:
    session.execute(text("SELECT 1"))


def packets_by_state(session: Session, scope: Scope = EVERYWHERE) -> dict[str, int]:
    """Every state, also those that no packet is in."""
    counted = select(Packet.state, func.count()).where(scope.within(Packet.project)).group_by(Packet.state)
    rows = session.execute(counted)
    return {state.value: 0 for state in PacketState} | {state.value: count for state, count in rows}


def unfinished_jobs(session: Session) -> dict[tuple[str, str], int]:
    """Queued and running jobs by kind and state. Finished ones only grow in number, and would be counted each time."""
    wanted = select(Job.kind, Job.state, func.count()).where(Job.state.in_(LIVE)).group_by(Job.kind, Job.state)
    found = {(kind.value, state.value): 0 for kind in JobKind for state in LIVE}
    return found | {(kind, state.value): count for kind, state, count in session.execute(wanted)}


def oldest_due_seconds(session: Session) -> float:
    """How long the most patient job has been waiting past its time."""
    now = func.clock_timestamp()
    waited = select(extract("epoch", now - func.min(Job.not_before))).where(
        Job.state == JobState.QUEUED, Job.not_before <= now
    )
    return float(session.scalar(waited) or 0.0)
