"""A job's events and logs. Events are written by the transaction whose step they tell of."""

import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Insert, Select, Update, func, insert, literal, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from broker.models import Job, JobEvent, JobLog
from m2kt.errors import NotFound

MAX_LOG_BYTES = 256 * 1024
"""What the ledger keeps of one attempt's log: its end."""

PAGE = 200
"""Events at a time."""


def note(session: Session, job_id: uuid.UUID, what: str, attempt: int, fence: int, **detail: Any) -> None:
    """Note a step that no statement of `noted` took."""
    counted = update(Job).where(Job.id == job_id).values(events=Job.events + 1).returning(Job.id)
    session.execute(noting(job_id, what, attempt, fence, **detail).add_cte(counted.cte("counted")))


def noting(job_id: uuid.UUID, what: str, attempt: int, fence: int, **detail: Any) -> Insert:
    """The statement for an event that the job's row counts already."""
    return insert(JobEvent).values(job_id=job_id, what=what, attempt=attempt, fence=fence, detail=detail)


def noted(step: Update, what: str, columns: Sequence[Any], **detail: Any) -> Select[Any]:
    """One statement that does ``step`` on jobs and notes it for each of them; selects ``columns`` of the changed rows.

    Nothing moves without its event, and a hot path pays one round trip.
    """
    moved = step.values(events=Job.events + 1).returning(
        *columns, Job.id.label("_id"), Job.attempt.label("_attempt"), Job.fence.label("_fence")
    )
    done = moved.cte("moved")
    rows = select(done.c._id, literal(what), done.c._attempt, done.c._fence, literal(detail, JSONB))
    events = insert(JobEvent).from_select(["job_id", "what", "attempt", "fence", "detail"], rows).cte("events")
    return select(*(done.c[each.key] for each in columns)).add_cte(events)


def events(session: Session, job_id: uuid.UUID, *, after: int, limit: int = PAGE) -> Sequence[JobEvent]:
    """Events of a job, oldest first, from the one behind ``after``."""
    wanted = select(JobEvent).where(JobEvent.job_id == job_id, JobEvent.id > after)
    return session.scalars(wanted.order_by(JobEvent.id).limit(limit)).all()


def was_told(session: Session, job_id: uuid.UUID, what: str, fence: int, owner: str) -> bool:
    """Whether this holder of ``fence`` did that already: the answer may have been lost."""
    wanted = select(JobEvent.what, JobEvent.detail).where(JobEvent.job_id == job_id, JobEvent.fence == fence)
    rows = session.execute(wanted.where(JobEvent.what.in_((what, "running")))).all()
    return any(row.what == what for row in rows) and any(row.detail.get("owner") == owner for row in rows)


def keep_log(session: Session, job_id: uuid.UUID, attempt: int, content: bytes) -> None:
    """Keep the end of an attempt's log; the caller has checked that it holds the job."""
    kept = content[-MAX_LOG_BYTES:]
    statement = upsert(JobLog).values(job_id=job_id, attempt=attempt, content=kept)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=[JobLog.job_id, JobLog.attempt], set_={"content": kept, "at": func.clock_timestamp()}
        )
    )


def log(session: Session, job_id: uuid.UUID, attempt: int | None) -> JobLog:
    """The log of one attempt, or of the last that has one."""
    wanted = select(JobLog).where(JobLog.job_id == job_id).order_by(JobLog.attempt.desc()).limit(1)
    if attempt is not None:
        wanted = wanted.where(JobLog.attempt == attempt)
    found = session.scalar(wanted)
    if found is None:
        which = "no attempt" if attempt is None else f"attempt {attempt}"
        raise NotFound(f"job {job_id} has no log of {which}", hint="An attempt has a log once its child has begun.")
    return found
