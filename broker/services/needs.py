"""Jobs that need other jobs. A counter in the row says how many are missing, so that a claim looks at one row only."""

import uuid
from collections.abc import Collection

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from broker.db import ring_after_commit
from broker.models import LIVE, Job, JobNeed, JobState
from broker.services import outbox, trail
from m2kt.errors import Conflict, NotFound


def missing(session: Session, needs: Collection[uuid.UUID], project: str) -> int:
    """How many of these jobs have not succeeded yet. They are held until the commit, so none ends in between. Jobs of
    another project are as good as not there."""
    rows = session.execute(
        select(Job.id, Job.state)
        .where(Job.id.in_(needs), Job.project == project)
        .order_by(Job.id)
        .with_for_update(read=True)
    )
    found = {row.id: row.state for row in rows}
    for each in needs:
        if each not in found:
            raise NotFound(f"there is no job {each} to need", hint="List the jobs with GET /v1/jobs.")
        if found[each] not in (*LIVE, JobState.SUCCEEDED):
            raise Conflict(f"job {each}, which it needs, is {found[each]}", hint="Retry that job first.")
    return sum(state != JobState.SUCCEEDED for state in found.values())


def link(session: Session, job_id: uuid.UUID, needs: Collection[uuid.UUID]) -> None:
    session.add_all(JobNeed(job_id=job_id, needs_id=each) for each in needs)
    session.flush()


def settle(session: Session, job_id: uuid.UUID, state: JobState) -> None:
    """Tell the jobs that need ``job_id`` how it ended: they come closer to their turn, or are cancelled with it."""
    if state == JobState.SUCCEEDED:
        for each in _waiting(session, job_id):
            _closer(session, each)
        return
    ended = [(job_id, state)]
    while ended:
        cause, how = ended.pop()
        for each in _waiting(session, cause):
            _cancel(session, each, f"job {cause}, which it needs, is {how}")
            ended.append((each, JobState.CANCELLED))


def _waiting(session: Session, job_id: uuid.UUID) -> list[uuid.UUID]:
    """Queued jobs that need this one, locked in one order by everybody."""
    needing = select(JobNeed.job_id).where(JobNeed.needs_id == job_id)
    wanted = select(Job.id).where(Job.id.in_(needing), Job.state == JobState.QUEUED)
    return list(session.scalars(wanted.order_by(Job.id).with_for_update()))


def _closer(session: Session, job_id: uuid.UUID) -> None:
    left = session.scalar(
        update(Job)
        .where(Job.id == job_id, Job.waits_for > 0)
        .values(waits_for=Job.waits_for - 1)
        .returning(Job.waits_for)
        .execution_options(synchronize_session=False)
    )
    if left == 0:
        outbox.post(session, outbox.RING, job=str(job_id))
        ring_after_commit(session, job_id)


def _cancel(session: Session, job_id: uuid.UUID, why: str) -> None:
    values = {
        "state": JobState.CANCELLED,
        "fence": Job.fence + 1,
        "finished": func.clock_timestamp(),
        "error": {"code": "cancelled", "detail": why},
    }
    row = session.execute(
        update(Job)
        .where(Job.id == job_id)
        .values(values)
        .returning(Job.attempt, Job.fence)
        .execution_options(synchronize_session=False)
    ).one()
    trail.note(session, job_id, "cancelled", row.attempt, row.fence, why=why)
