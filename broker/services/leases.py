"""Leases for agents over HTTP: the rules of `broker.services.jobs`, for holders who are not the broker's own worker.

The owner in the row is agent and session, so that neither another agent nor the agent's own former life can write.
"""

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from broker.models import Job, JobKind, JobState, Role
from broker.services import jobs, trail
from broker.services.agents import Principal
from broker.services.jobs import Claim, Offer
from broker.services.scopes import Scope
from m2kt.errors import Forbidden, LeaseLost

_TEACHES = frozenset({JobKind.EXTRACT, JobKind.EXCHANGE, JobKind.NOOP})
_LEARNS = frozenset({JobKind.ALIGN, JobKind.VERIFY, JobKind.EXCHANGE, JobKind.NOOP})

MAY_LEASE: Mapping[Role, frozenset[str] | None] = {
    Role.TEACHER: frozenset(_TEACHES),
    Role.STUDENT: frozenset(_LEARNS),
    Role.WORKER: None,
    Role.ADMIN: None,
}
"""Kinds by role; None is every kind but a scan, whose verdict the broker itself signs."""


@dataclass(frozen=True)
class Held:
    """What an agent says it holds."""

    job: uuid.UUID
    fence: int
    progress: dict[str, Any] | None = None
    log: str | None = None


@dataclass(frozen=True)
class Lost:
    """A job that the agent must stop, and why."""

    job: uuid.UUID
    reason: str


def now(session: Session) -> datetime:
    """The clock that leases run by."""
    found: datetime = session.scalars(select(func.clock_timestamp())).one()
    return found


def held_by(session: Session, name: str, scope: Scope) -> list[Job]:
    """The running jobs of these projects that an agent has leased, in whichever of its sessions."""
    mine = Job.lease_owner.startswith(owner_of(name, ""), autoescape=True)
    wanted = select(Job).where(Job.state == JobState.RUNNING, mine, scope.within(Job.project))
    return list(session.scalars(wanted.order_by(Job.seq).limit(100)))


def owner(agent: Principal, session_id: str) -> str:
    return owner_of(agent.name, session_id)


def owner_of(name: str, session_id: str) -> str:
    return f"agent:{name}/{session_id}"


def take(
    session: Session, agent: Principal, session_id: str, kinds: Collection[str], offer: Offer, seconds: float
) -> Claim | None:
    """Claim the next job of these kinds that the agent may have: nothing for one that is to drain."""
    _require_own(agent, session_id)
    if agent.role not in MAY_LEASE:
        raise Forbidden(f"{agent.name} has the role {agent.role}, which works on no jobs")
    allowed = MAY_LEASE[agent.role]
    refused = {each for each in kinds if each == JobKind.SCAN or (allowed is not None and each not in allowed)}
    if refused:
        raise Forbidden(f"a {agent.role} leases no jobs of kind {', '.join(sorted(refused))}")
    if agent.draining:
        return None
    mine = replace(offer, projects=agent.scope.projects)
    return jobs.claim(session, owner(agent, session_id), seconds, kinds, mine)


def _require_own(agent: Principal, session_id: str) -> None:
    """A request that is signed with a session speaks for that one only."""
    if agent.session not in (None, session_id):
        raise Forbidden(
            "the lease's session is another than the one that signed", hint="Name the session that you opened."
        )


def beat(session: Session, agent: Principal, session_id: str, held: Collection[Held], seconds: float) -> list[Lost]:
    """Renew what the agent still holds; returns what it holds no longer. Renewing never brings a lost lease back."""
    _require_own(agent, session_id)
    lost = []
    for each in sorted(held, key=lambda one: one.job):
        try:
            with session.begin_nested():
                _renew(session, agent, session_id, each, seconds)
        except LeaseLost:
            lost.append(Lost(each.job, reason(session, each)))
    return lost


def _renew(session: Session, agent: Principal, session_id: str, each: Held, seconds: float) -> None:
    held = _claim(session, agent, session_id, each.job, each.fence)
    jobs.renew(session, held, seconds)
    if each.progress is not None:
        jobs.report(session, held, each.progress)
    _keep_log(session, held, each.log)


def _keep_log(session: Session, held: Claim, log: str | None) -> None:
    if log:
        trail.keep_log(session, held.id, held.attempt, log.encode())


def reason(session: Session, each: Held) -> str:
    job = session.get(Job, each.job, populate_existing=True)
    if job is None:
        return "there is no such job"
    if job.state in (JobState.QUEUED, JobState.RUNNING):
        return "its lease ran out"
    return f"it is {job.state}"


def finish(
    session: Session,
    agent: Principal,
    session_id: str,
    claimed: Held,
    outcome: str,
    result: dict[str, Any],
    error: dict[str, Any],
) -> Job:
    """Write how a job ended. Saying it again, after a lost answer, changes nothing and is no error."""
    done = {"succeeded": JobState.SUCCEEDED, "failed": JobState.FAILED, "broke": "broke"}[outcome]
    if trail.was_told(session, claimed.job, done, claimed.fence, owner(agent, session_id)):
        return jobs.get(session, claimed.job)
    held = _claim(session, agent, session_id, claimed.job, claimed.fence)
    if outcome == "succeeded":
        jobs.succeed(session, held, result)
    elif outcome == "failed":
        jobs.fail(session, held, error)
    else:
        jobs.retry(session, held, error)
    _keep_log(session, held, claimed.log)
    return _fresh(session, claimed.job)


def release(
    session: Session, agent: Principal, session_id: str, claimed: Held, reason: str | None = None, seconds: float = 0.0
) -> Job:
    """Give a job back unharmed; the attempt does not count."""
    why = f"{agent.name} gave it back" + (f": {reason}" if reason else "")
    jobs.release(session, _claim(session, agent, session_id, claimed.job, claimed.fence), seconds=seconds, why=why)
    return _fresh(session, claimed.job)


def require(session: Session, agent: Principal, session_id: str, claimed: Held, seconds: float) -> None:
    """`LeaseLost` unless the agent holds this job: said in the transaction that writes the effect, and renewed by it,
    so that a holder who was slow writes nothing."""
    jobs.renew(session, _claim(session, agent, session_id, claimed.job, claimed.fence), seconds)


def _claim(session: Session, agent: Principal, session_id: str, job_id: uuid.UUID, fence: int) -> Claim:
    """The claim behind a fence, if it is this session's. What is written with it checks the fence once more."""
    _require_own(agent, session_id)
    job = session.get(Job, job_id, populate_existing=True)
    if job is None or job.fence != fence or job.lease_owner != owner(agent, session_id):
        raise LeaseLost(f"job {job_id} is not held by this session with fence {fence}")
    return Claim(
        job.id,
        job.kind,
        job.spec,
        job.packet_id,
        job.attempt,
        job.fence,
        job.max_attempts,
        job.limit_seconds,
        job.project,
    )


def _fresh(session: Session, job_id: uuid.UUID) -> Job:
    session.expire_all()
    return jobs.get(session, job_id)
