"""The ledger of jobs: submit, claim, renew, finish, cancel, sweep.

Each step is one statement that re-checks what it relies on: an owner whose lease ran out, or whose job was cancelled,
finds no row and writes nothing. Leases run by the database's clock (`clock_timestamp` moves within a transaction).
"""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Update, case, func, select, update
from sqlalchemy.orm import Session

from broker.db import ring_after_commit
from broker.errors import LeaseLost
from broker.models import Job, JobKind, JobState
from m2kt.errors import Conflict, Forbidden, NotFound

MAX_ATTEMPTS = 3
BACKOFF_SECONDS = 2.0

NOW = func.clock_timestamp()
_LIVE = (JobState.QUEUED, JobState.RUNNING)


@dataclass(frozen=True)
class Claim:
    """The right to work on a job; worth as much as its fence."""

    id: uuid.UUID
    kind: JobKind
    spec: dict[str, Any]
    packet_id: str | None
    attempt: int
    fence: int


@dataclass(frozen=True)
class Buried:
    """A job that is dead now, and the packet that waits for it, if any."""

    id: uuid.UUID
    kind: JobKind
    packet_id: str | None


def submit(
    session: Session, kind: JobKind, spec: dict[str, Any], *, submitter: str, packet_id: str | None = None
) -> Job:
    """Write a job into the ledger; the bell rings after the commit."""
    job = Job(kind=kind, spec=spec, submitter=submitter, packet_id=packet_id)
    session.add(job)
    session.flush()
    session.refresh(job)
    ring_after_commit(session, job.id)
    return job


def get(session: Session, job_id: uuid.UUID) -> Job:
    job = session.get(Job, job_id)
    if job is None:
        raise NotFound(f"there is no job {job_id}", hint="List the jobs with GET /v1/jobs.")
    return job


def page(
    session: Session, *, before: int | None, limit: int, state: JobState | None, kind: JobKind | None
) -> list[Job]:
    """Jobs, newest first, from the one before sequence number ``before``."""
    wanted = select(Job).order_by(Job.seq.desc()).limit(limit)
    if before is not None:
        wanted = wanted.where(Job.seq < before)
    for column, value in ((Job.state, state), (Job.kind, kind)):
        if value is not None:
            wanted = wanted.where(column == value)
    return list(session.scalars(wanted))


def claim(session: Session, owner: str, lease_seconds: float, kinds: Collection[JobKind]) -> Claim | None:
    """Take the oldest due job of these kinds. The attempt counts from here: so does one that kills its worker."""
    due = (
        select(Job.id)
        .where(Job.state == JobState.QUEUED, Job.kind.in_(kinds), Job.not_before <= NOW)
        .order_by(Job.not_before, Job.seq)
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    taken = session.execute(
        update(Job)
        .where(Job.id == due)
        .values(
            state=JobState.RUNNING,
            fence=Job.fence + 1,
            attempt=Job.attempt + 1,
            lease_owner=owner,
            lease_until=NOW + timedelta(seconds=lease_seconds),
        )
        .returning(Job.id, Job.kind, Job.spec, Job.packet_id, Job.attempt, Job.fence)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    return Claim(*taken) if taken else None


def _owned(held: Claim) -> Update:
    return (
        update(Job)
        .where(Job.id == held.id, Job.fence == held.fence, Job.state == JobState.RUNNING, Job.lease_until > NOW)
        .execution_options(synchronize_session=False)
    )


def _write(session: Session, held: Claim, **values: Any) -> None:
    written = session.execute(_owned(held).values(**values).returning(Job.id)).first()
    if written is None:
        raise LeaseLost(f"job {held.id} is no longer held by attempt {held.attempt}")


def renew(session: Session, held: Claim, lease_seconds: float) -> None:
    """Hold the lease for longer; `LeaseLost` when it is gone."""
    _write(session, held, lease_until=NOW + timedelta(seconds=lease_seconds))


def report(session: Session, held: Claim, progress: dict[str, Any]) -> None:
    _write(session, held, progress=progress)


def succeed(session: Session, held: Claim, result: dict[str, Any]) -> None:
    """First statement of the transaction that writes the job's effect, so that a stale owner writes neither."""
    _write(session, held, state=JobState.SUCCEEDED, result=result, error=None, finished=NOW, **_unleased())


def fail(session: Session, held: Claim, error: dict[str, Any]) -> None:
    """The job ran and said no; running it again would say the same."""
    _write(session, held, state=JobState.FAILED, error=error, finished=NOW, **_unleased())


def retry(session: Session, held: Claim, error: dict[str, Any]) -> bool:
    """The job broke: queue it again, later each time, or bury it after the last attempt. True when it is dead."""
    if held.attempt >= MAX_ATTEMPTS:
        _write(session, held, state=JobState.DEAD, error=error, finished=NOW, **_unleased())
        return True
    later = NOW + timedelta(seconds=BACKOFF_SECONDS * 2 ** (held.attempt - 1))
    _write(session, held, state=JobState.QUEUED, error=error, not_before=later, **_unleased())
    return False


def release(session: Session, held: Claim) -> None:
    """Give the job back unharmed (the worker is leaving): this attempt does not count."""
    _write(session, held, state=JobState.QUEUED, attempt=held.attempt - 1, not_before=NOW, **_unleased())


def _unleased() -> dict[str, Any]:
    return {"lease_owner": None, "lease_until": None}


def cancel(session: Session, job_id: uuid.UUID, *, by: str, admin: bool) -> Job:
    """Cancel a queued or running job. Raising the fence is what stops its owner: the next renewal finds no row."""
    job = session.get(Job, job_id, with_for_update=True) or get(session, job_id)
    if not (admin or job.submitter == by):
        raise Forbidden("only its submitter or an administrator may cancel a job")
    if job.kind == JobKind.SCAN:
        raise Conflict("a scan cannot be cancelled", hint="Revoke the packet instead.")
    if job.state not in _LIVE:
        raise Conflict(f"job {job_id} is {job.state} already", hint="Nothing is left to cancel.")
    job.state, job.fence = JobState.CANCELLED, job.fence + 1
    job.error = {"code": "cancelled", "detail": f"cancelled by {by}"}
    job.lease_owner = job.lease_until = None
    job.finished = NOW
    session.flush()
    session.refresh(job)
    return job


def sweep(session: Session, limit: int = 100) -> Sequence[Buried]:
    """Queue again what lost its worker, and bury what did so too often; returns the buried."""
    lost = (
        select(Job.id)
        .where(Job.state == JobState.RUNNING, Job.lease_until < NOW)
        .order_by(Job.lease_until)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    spent = Job.attempt >= MAX_ATTEMPTS
    swept = session.execute(
        update(Job)
        .where(Job.id.in_(lost), Job.state == JobState.RUNNING, Job.lease_until < NOW)
        .values(
            state=case((spent, JobState.DEAD.value), else_=JobState.QUEUED.value),
            finished=case((spent, NOW), else_=None),
            error={"code": "lease-lost", "detail": "the worker stopped renewing its lease"},
            not_before=NOW,
            **_unleased(),
        )
        .returning(Job.id, Job.kind, Job.packet_id, Job.state)
        .execution_options(synchronize_session=False)
    ).all()
    for row in swept:
        if row.state == JobState.QUEUED:
            ring_after_commit(session, row.id)
    return [Buried(row.id, row.kind, row.packet_id) for row in swept if row.state == JobState.DEAD]
