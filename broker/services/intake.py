"""How a job enters the ledger: its row, its first event and its bell, in one statement.

Orders are what most requests are, so they pay one round trip; and no job is in the ledger that nobody is told of.
"""

import uuid
from collections.abc import Mapping
from functools import cache
from typing import Any

from sqlalchemy import Select, Text, bindparam, cast, func, insert, literal, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as insert_unless
from sqlalchemy.orm import Session, aliased

from broker.db import ring_after_commit
from broker.models import Job, JobEvent, Outbox
from broker.services import outbox, trail

QUEUED = "queued"


def enter(session: Session, row: Mapping[str, Any]) -> Job | None:
    """Write a job with these columns; the bell rings after the commit, if its turn may be now.

    None when a live job, or an order, holds one of its keys already: nothing is written then.
    """
    values = {"id": uuid.uuid4(), **row}
    given = {_given(name): each for name, each in values.items()}
    detail = {"by": row["submitter"]}
    job = session.scalars(_entering(tuple(sorted(values))), {**given, "detail": detail}).first()
    if job is not None and not job.waits_for:
        ring_after_commit(session, job.id)
    return job


def _given(name: str) -> str:
    return f"given_{name}"  # a column's own name is reserved in an INSERT


@cache  # by the columns of an order, of which there are few combinations: to build it takes longer than to send it
def _entering(columns: tuple[str, ...]) -> Select[Job]:
    """Insert a job, and beside it its event and its bell; select the job."""
    values: dict[str, Any] = {name: bindparam(_given(name)) for name in columns}
    fresh = insert_unless(Job).values(values).on_conflict_do_nothing().returning(*Job.__table__.c).cte("fresh")
    detail = bindparam("detail", type_=JSONB)
    event = select(fresh.c.id, literal(QUEUED), fresh.c.attempt, fresh.c.fence, detail)
    noted = insert(JobEvent).from_select(["job_id", "what", "attempt", "fence", "detail"], event).cte("noted")
    body = func.jsonb_build_object("job", cast(fresh.c.id, Text))
    due = select(literal(outbox.RING), body).where(fresh.c.waits_for == 0)
    rung = insert(Outbox).from_select(["topic", "body"], due).cte("rung")
    return select(aliased(Job, fresh)).add_cte(noted, rung)


def announce(session: Session, job: Job) -> None:
    """A job that was there already was queued: note it, and ring when its turn may be now."""
    trail.note(session, job.id, QUEUED, job.attempt, job.fence, by=job.submitter)
    if not job.waits_for:
        ring(session, job.id)


def ring(session: Session, job_id: uuid.UUID) -> None:
    """Have the bell rung for a due job, once this transaction has committed."""
    outbox.post(session, outbox.RING, job=str(job_id))
    ring_after_commit(session, job_id)
