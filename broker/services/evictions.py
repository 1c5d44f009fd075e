"""Leases that end because their holder may not go on: its session was followed by another, or it was revoked."""

from sqlalchemy import case, false, update
from sqlalchemy.orm import Session

from broker.db import ring_after_commit
from broker.models import Job, JobState
from broker.services import needs, outbox, trail
from broker.services.jobs import NOW


def evict(session: Session, holder: str, why: str, *, counted: bool) -> int:
    """Queue again what ``holder`` (the owner in the row, or the part of it that ends with ``/``) has leased.

    ``counted``: whether the attempt counts. It does where the job may have brought its worker down: one that does so
    every time must end some day.
    """
    spent = Job.attempt >= Job.max_attempts if counted else false()
    mine = Job.lease_owner.startswith(holder, autoescape=True) if holder.endswith("/") else Job.lease_owner == holder
    ended = session.execute(
        update(Job)
        .where(Job.state == JobState.RUNNING, mine)
        .values(
            state=case((spent, JobState.DEAD.value), else_=JobState.QUEUED.value),
            attempt=Job.attempt if counted else Job.attempt - 1,
            finished=case((spent, NOW), else_=None),
            error={"code": "lease-lost", "detail": why},
            not_before=NOW,
            lease_owner=None,
            lease_until=None,
        )
        .returning(Job.id, Job.state, Job.attempt, Job.fence)
        .execution_options(synchronize_session=False)
    ).all()
    for row in ended:
        what = "lease-lost" if row.state == JobState.QUEUED else row.state
        trail.note(session, row.id, what, row.attempt, row.fence, why=why)
        if row.state == JobState.QUEUED:
            outbox.post(session, outbox.RING, job=str(row.id))
            ring_after_commit(session, row.id)
        else:
            needs.settle(session, [row.id], row.state)
    return len(ended)
