"""Jobs that need other jobs. A counter in the row says how many are missing, so that a claim looks at one row only."""

import uuid
from collections.abc import Collection

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from broker.models import LIVE, Job, JobNeed, JobState
from broker.services import intake, trail
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


def settle(session: Session, job_ids: Collection[uuid.UUID], state: JobState) -> None:
    """Tell the jobs that need ``job_ids`` how those ended: they come closer to their turn, or are cancelled with them.

    Call it behind the statement that ended them, never within: while that one waited for a row, an order that needs
    the job may have been committed, and only a statement that begins later sees it.
    """
    waiting = _waiting(session, job_ids)
    if state == JobState.SUCCEEDED:
        for each, _ in waiting:
            _closer(session, each)
        return
    ended = [(*each, state) for each in waiting]
    while ended:
        job_id, cause, how = ended.pop()
        if _cancel(session, job_id, f"job {cause}, which it needs, is {how}"):
            ended += [(*each, JobState.CANCELLED) for each in _waiting(session, [job_id])]


def _waiting(session: Session, job_ids: Collection[uuid.UUID]) -> list[tuple[uuid.UUID, uuid.UUID]]:
    """Queued jobs that need one of these, each with the one that it needs; locked in one order by everybody."""
    wanted = (
        select(Job.id, JobNeed.needs_id)
        .join(JobNeed, JobNeed.job_id == Job.id)
        .where(JobNeed.needs_id.in_(job_ids), Job.state == JobState.QUEUED)
        .order_by(Job.id)
        .with_for_update(of=Job)
    )
    return [(row.id, row.needs_id) for row in session.execute(wanted)]


def _closer(session: Session, job_id: uuid.UUID) -> None:
    left = session.scalar(
        update(Job)
        .where(Job.id == job_id, Job.waits_for > 0)
        .values(waits_for=Job.waits_for - 1)
        .returning(Job.waits_for)
        .execution_options(synchronize_session=False)
    )
    if left == 0:
        intake.ring(session, job_id)


def _cancel(session: Session, job_id: uuid.UUID, why: str) -> bool:
    """Whether it was still queued."""
    values = {
        "state": JobState.CANCELLED,
        "fence": Job.fence + 1,
        "finished": func.clock_timestamp(),
        "error": {"code": "cancelled", "detail": why},
    }
    row = session.execute(
        update(Job)
        .where(Job.id == job_id, Job.state == JobState.QUEUED)
        .values(values)
        .returning(Job.attempt, Job.fence)
        .execution_options(synchronize_session=False)
    ).first()
    if row is not None:
        trail.note(session, job_id, "cancelled", row.attempt, row.fence, why=why)
    return row is not None
