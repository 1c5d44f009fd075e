"""The ledger of jobs: submit, claim, renew, finish, cancel, sweep.

Each step is one statement that re-checks what it relies on: an owner whose lease ran out, or whose job was cancelled,
finds no row and writes nothing. Leases run by the database's clock (`clock_timestamp` moves within a transaction).
What follows from a step (its event, its effect, the jobs that wait for it, the bell) is in the same transaction.
"""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Select,
    Update,
    Uuid,
    any_,
    case,
    cast,
    column,
    func,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from broker.models import LIVE, Job, JobKind, JobNeed, JobState
from broker.services import intake, needs, trail
from broker.services.scopes import DEFAULT, Scope
from m2kt.errors import Conflict, Forbidden, LeaseLost, NotFound

MAX_ATTEMPTS = 3
BACKOFF_SECONDS = 2.0

NOW = func.clock_timestamp()
_CLAIMED = (
    Job.id,
    Job.kind,
    Job.spec,
    Job.packet_id,
    Job.attempt,
    Job.fence,
    Job.max_attempts,
    Job.limit_seconds,
    Job.project,
)


@dataclass(frozen=True)
class Claim:
    """The right to work on a job; worth as much as its fence."""

    id: uuid.UUID
    kind: str
    spec: dict[str, Any]
    packet_id: str | None
    attempt: int
    fence: int
    max_attempts: int = MAX_ATTEMPTS
    limit_seconds: float | None = None
    project: str = DEFAULT


@dataclass(frozen=True)
class Offer:
    """What a worker has, against what jobs need."""

    gpu: bool = False
    memory_mib: int = 0
    models: frozenset[str] = frozenset()
    site: str | None = None
    projects: frozenset[str] | None = None
    """Whose jobs it may do; None is everybody's."""


@dataclass(frozen=True)
class Buried:
    """A job that is dead now, and the packet that waits for it, if any."""

    id: uuid.UUID
    kind: str
    packet_id: str | None


def submit(
    session: Session,
    kind: JobKind,
    spec: dict[str, Any],
    *,
    submitter: str,
    packet_id: str | None = None,
    project: str = DEFAULT,
) -> Job:
    """Write a job into the ledger; the bell rings after the commit. Orders of agents: `broker.services.orders`."""
    row = {"kind": kind, "spec": spec, "submitter": submitter, "packet_id": packet_id, "project": project}
    job = intake.enter(session, row)
    if job is None:
        raise Conflict(f"a {kind} of packet {packet_id} is under way already", hint="Wait for that one.")
    return job


def get(session: Session, job_id: uuid.UUID) -> Job:
    job = session.get(Job, job_id)
    if job is None:
        raise NotFound(f"there is no job {job_id}", hint="List the jobs with GET /v1/jobs.")
    return job


def page(
    session: Session, scope: Scope, *, before: int | None, limit: int, state: JobState | None, kind: str | None
) -> list[Job]:
    """Jobs, newest first, from the one before sequence number ``before``."""
    wanted = select(Job).where(scope.within(Job.project)).order_by(Job.seq.desc()).limit(limit)
    if before is not None:
        wanted = wanted.where(Job.seq < before)
    for each, value in ((Job.state, state), (Job.kind, kind)):
        if value is not None:
            wanted = wanted.where(each == value)
    return list(session.scalars(wanted))


def claim(
    session: Session, owner: str, lease_seconds: float, kinds: Collection[str], offer: Offer | None = None
) -> Claim | None:
    """Take the first due job of these kinds that the offer is enough for: by priority, then by age.

    The attempt counts from here: so does one that kills its worker.
    """
    due = due_jobs(kinds, offer or Offer())
    return next(iter(claim_some(session, owner, lease_seconds, due, 1)), None)


def due_jobs(kinds: Collection[str], offer: Offer) -> Select[Any]:
    return (
        select(Job.id)
        .where(Job.state == JobState.QUEUED, Job.waits_for == 0, Job.kind.in_(kinds), Job.not_before <= NOW)
        .where(*_suits(offer))
        .order_by(Job.priority.desc(), Job.not_before, Job.seq)
    )


def claim_some(session: Session, owner: str, lease_seconds: float, due: Select[Any], limit: int) -> list[Claim]:
    """Take the first ``limit`` of these jobs."""
    # An array is asked for once; a subquery behind IN may be asked again, and then lock more than its limit.
    first = func.array(due.limit(limit).with_for_update(skip_locked=True).scalar_subquery())
    step = (
        update(Job)
        .where(Job.id == any_(first))
        .values(
            state=JobState.RUNNING,
            fence=Job.fence + 1,
            attempt=Job.attempt + 1,
            progress=None,
            lease_owner=owner,
            lease_until=NOW + timedelta(seconds=lease_seconds),
        )
    )
    return [Claim(*row) for row in session.execute(trail.noted(step, "running", _CLAIMED, owner=owner))]


def _suits(offer: Offer) -> tuple[ColumnElement[bool], ...]:
    return (
        true() if offer.gpu else Job.needs_gpu.is_(False),
        Job.needs_memory_mib <= offer.memory_mib,
        or_(Job.needs_model.is_(None), Job.needs_model.in_(offer.models)),
        or_(Job.needs_site.is_(None), Job.needs_site == offer.site),
        Scope(offer.projects).within(Job.project),
    )


def _owned(held: Claim) -> Update:
    return (
        update(Job)
        .where(Job.id == held.id, Job.fence == held.fence, Job.state == JobState.RUNNING, Job.lease_until > NOW)
        .execution_options(synchronize_session=False)
    )


def _write(session: Session, held: Claim, **values: Any) -> None:
    if session.execute(_owned(held).values(**values).returning(Job.id)).first() is None:
        raise _lost(held)


def _lost(held: Claim) -> LeaseLost:
    return LeaseLost(f"job {held.id} is no longer held by attempt {held.attempt}")


def renew(session: Session, held: Claim, lease_seconds: float) -> None:
    """Hold the lease for longer; `LeaseLost` when it is gone."""
    _write(session, held, lease_until=NOW + timedelta(seconds=lease_seconds))


def report(session: Session, held: Claim, progress: dict[str, Any]) -> None:
    _write(session, held, progress=progress)


def succeed(session: Session, held: Claim, result: dict[str, Any]) -> None:
    """First statement of the transaction that writes the job's effect, so that a stale owner writes neither."""
    _end(session, held, JobState.SUCCEEDED, result=result, error=None)


def succeed_all(session: Session, done: Sequence[tuple[Claim, dict[str, Any]]]) -> None:
    """`succeed` for a handful of claims and their results, in two statements; `LeaseLost` when one of them is gone."""
    columns = (
        ([held.id for held, _ in done], Uuid),
        ([held.fence for held, _ in done], BigInteger),
        ([result for _, result in done], JSONB),
    )
    rows = func.unnest(*(cast(each, ARRAY(kind)) for each, kind in columns))
    names = (column("id", Uuid), column("fence", BigInteger), column("result", JSONB))
    said = rows.table_valued(*names, name="said").render_derived()
    step = (
        update(Job)
        .where(Job.id == said.c.id, Job.fence == said.c.fence, Job.state == JobState.RUNNING, Job.lease_until > NOW)
        .values(state=JobState.SUCCEEDED, finished=NOW, result=said.c.result, error=None, **_unleased())
    )
    ended = set(session.scalars(trail.noted(step, JobState.SUCCEEDED, [Job.id])))
    for held, _ in done:
        if held.id not in ended:
            raise _lost(held)
    needs.settle(session, list(ended), JobState.SUCCEEDED)


def fail(session: Session, held: Claim, error: dict[str, Any]) -> None:
    """The job ran and said no; running it again would say the same."""
    _end(session, held, JobState.FAILED, error=error)


def _end(session: Session, held: Claim, state: JobState, **values: Any) -> None:
    step = _owned(held).values(state=state, finished=NOW, **values, **_unleased())
    if session.execute(trail.noted(step, state, [Job.id], **_why(values.get("error")))).first() is None:
        raise _lost(held)
    needs.settle(session, [held.id], state)


def _why(error: dict[str, Any] | None) -> dict[str, Any]:
    return {"code": error.get("code"), "why": error.get("detail")} if error else {}


def retry(session: Session, held: Claim, error: dict[str, Any]) -> bool:
    """The job broke: queue it again, later each time, or bury it after the last attempt. True when it is dead."""
    if held.attempt >= held.max_attempts:
        _end(session, held, JobState.DEAD, error=error)
        return True
    _requeue(session, held, "broke", BACKOFF_SECONDS * 2 ** (held.attempt - 1), error=error)
    return False


def release(session: Session, held: Claim, *, seconds: float = 0.0, why: str = "its worker leaves") -> None:
    """Give the job back unharmed: this attempt does not count. ``seconds`` later it is due again."""
    _requeue(session, held, "released", seconds, why=why, attempt=held.attempt - 1)


def _requeue(session: Session, held: Claim, what: str, seconds: float, why: str = "", **values: Any) -> None:
    later = NOW + timedelta(seconds=seconds)
    _write(session, held, state=JobState.QUEUED, not_before=later, **values, **_unleased())
    detail = _why(values.get("error")) or {"why": why}
    trail.note(session, held.id, what, held.attempt, held.fence, **detail)
    if not seconds:
        intake.ring(session, held.id)


def _unleased() -> dict[str, Any]:
    return {"lease_owner": None, "lease_until": None}


def cancel(session: Session, job_id: uuid.UUID, *, by: str, admin: bool) -> Job:
    """Cancel a queued or running job. Raising the fence is what stops its owner: the next renewal finds no row."""
    job = _held_by_person(session, job_id, by, admin, "cancel")
    if job.kind == JobKind.SCAN:
        raise Conflict("a scan cannot be cancelled", hint="Revoke the packet instead.")
    if job.state not in LIVE:
        raise Conflict(f"job {job_id} is {job.state} already", hint="Nothing is left to cancel.")
    job.state, job.fence = JobState.CANCELLED, job.fence + 1
    job.error = {"code": "cancelled", "detail": f"cancelled by {by}"}
    job.lease_owner = job.lease_until = None
    job.finished = NOW
    session.flush()
    session.refresh(job)
    trail.note(session, job.id, "cancelled", job.attempt, job.fence, why=f"cancelled by {by}")
    needs.settle(session, [job.id], JobState.CANCELLED)
    return job


def again(session: Session, job_id: uuid.UUID, *, by: str, admin: bool) -> Job:
    """Queue a job that ended badly once more, with as many attempts as at first. Attempts count on: logs stay apart."""
    job = _held_by_person(session, job_id, by, admin, "retry")
    if job.kind == JobKind.SCAN:
        raise Conflict("a scan cannot be retried", hint="Publish the packet again: that repeats an inconclusive scan.")
    if job.state not in (JobState.FAILED, JobState.CANCELLED, JobState.DEAD):
        raise Conflict(f"job {job_id} is {job.state}", hint="Only what failed, died or was cancelled can be retried.")
    job.waits_for = needs.missing(session, _needed(session, job_id), job.project)
    job.state, job.fence = JobState.QUEUED, job.fence + 1
    job.max_attempts = job.attempt + MAX_ATTEMPTS
    job.finished, job.error, job.progress, job.not_before = None, None, None, NOW
    try:
        with session.begin_nested():
            session.flush()
    except IntegrityError as error:
        raise Conflict("another job with its de-duplication key is under way", hint="Follow that one.") from error
    session.refresh(job)
    intake.announce(session, job)
    return job


def _needed(session: Session, job_id: uuid.UUID) -> list[uuid.UUID]:
    return list(session.scalars(select(JobNeed.needs_id).where(JobNeed.job_id == job_id)))


def _held_by_person(session: Session, job_id: uuid.UUID, by: str, admin: bool, verb: str) -> Job:
    """The job, locked, for its submitter or an administrator."""
    job = session.get(Job, job_id, with_for_update=True, populate_existing=True) or get(session, job_id)
    if not (admin or job.submitter == by):
        raise Forbidden(f"only its submitter or an administrator may {verb} a job")
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
    spent = Job.attempt >= Job.max_attempts
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
        .returning(Job.id, Job.kind, Job.packet_id, Job.state, Job.attempt, Job.fence)
        .execution_options(synchronize_session=False)
    ).all()
    for row in swept:
        what = "lease-lost" if row.state == JobState.QUEUED else row.state
        trail.note(session, row.id, what, row.attempt, row.fence, why="the worker stopped renewing its lease")
        if row.state == JobState.QUEUED:
            intake.ring(session, row.id)
        else:
            needs.settle(session, [row.id], row.state)
    return [Buried(row.id, row.kind, row.packet_id) for row in swept if row.state == JobState.DEAD]
