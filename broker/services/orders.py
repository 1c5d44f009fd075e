"""Orders: the jobs that agents may ask for, and what they may say in them.

A job runs on the worker's host with the worker's key, so its places and its key are the worker's to choose: an order
that names one is refused, not overridden.
"""

import json
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from broker.models import LIVE, Job, JobKind, Role
from broker.services import intake, jobs, needs, packets
from broker.services.agents import Principal
from broker.services.scopes import Scope, home
from m2kt.errors import Conflict, Forbidden, TooLarge, UsageError
from m2kt.packet.manifest import MAX_PARENTS

MAX_SPEC_BYTES = 128 * 1024
TRIES = 3


@dataclass(frozen=True)
class Terms:
    """When, where and how often a job is to run."""

    priority: int = 0
    needs_gpu: bool = False
    needs_memory_mib: int = 0
    needs_model: str | None = None
    needs_site: str | None = None
    dedup_key: str | None = None
    not_before: datetime | None = None
    needs: tuple[uuid.UUID, ...] = ()
    limit_seconds: float | None = None
    max_attempts: int = jobs.MAX_ATTEMPTS
    idempotency_key: str | None = None
    project: str | None = None


@dataclass(frozen=True)
class Placed:
    job: Job
    fresh: bool


@dataclass(frozen=True)
class Order:
    """Who may order a kind of job; the fields that it needs, and those that the worker fills in."""

    roles: frozenset[Role]
    needs: tuple[str, ...] = ()
    filled_in: tuple[str, ...] = ()


_TEACHING = frozenset({Role.TEACHER, Role.WORKER, Role.ADMIN})
_LEARNING = frozenset({Role.STUDENT, Role.WORKER, Role.ADMIN})

ORDERS: Mapping[JobKind, Order] = {
    JobKind.EXTRACT: Order(_TEACHING, needs=("model", "domain", "name", "version"), filled_in=("key", "out", "broker")),
    JobKind.ALIGN: Order(_LEARNING, needs=("packet_id", "model"), filled_in=("packet", "trust", "out")),
    JobKind.VERIFY: Order(_LEARNING, needs=("model", "checks")),
    JobKind.AGGREGATE: Order(
        _TEACHING, needs=("packet_ids", "name", "version"), filled_in=("packets", "trust", "key", "out", "broker")
    ),
    JobKind.EXCHANGE: Order(
        _TEACHING | _LEARNING, needs=("exchange", "peer", "trust"), filled_in=("key", "out", "broker", "state")
    ),
    JobKind.NOOP: Order(_TEACHING | _LEARNING),
}

ORDERING = _TEACHING | _LEARNING
"""Roles that order anything at all; `place` decides by the kind."""


def place(
    session: Session, kind: JobKind, spec: dict[str, Any], *, by: Principal, terms: Terms | None = None
) -> Placed:
    """Check an order and write it into the ledger, once for each of its keys."""
    _check(kind, spec, by)
    terms = terms or Terms()
    terms = replace(terms, project=home(by.project, terms.project))
    if terms.idempotency_key is not None and (known := _by_idempotency(session, by.name, terms.idempotency_key)):
        return Placed(_same(known, _digest(kind, spec, terms), "idempotency"), fresh=False)
    for packet_id in _taken(kind, spec):
        packets.pullable(session, packet_id, Scope.of(str(terms.project)))
    return _write(session, kind, spec, by.name, terms)


def _check(kind: JobKind, spec: dict[str, Any], by: Principal) -> None:
    order = ORDERS[kind]
    if by.role not in order.roles:
        raise Forbidden(f"{by.name} has the role {by.role}; a job of kind {kind} is ordered by {_listed(order.roles)}")
    if missing := [name for name in order.needs if not spec.get(name)]:
        raise UsageError(f"a job of kind {kind} needs {', '.join(missing)}")
    if chosen := [name for name in order.filled_in if name in spec]:
        raise UsageError(f"the worker chooses {', '.join(chosen)} itself", hint="Leave them out of the specification.")
    if (size := len(json.dumps(spec).encode())) > MAX_SPEC_BYTES:
        hint = "Put what is large into a packet or a file on the worker, and name it."
        raise TooLarge(f"the specification has {size} bytes; {MAX_SPEC_BYTES} are allowed", hint=hint)


def _taken(kind: JobKind, spec: dict[str, Any]) -> list[str]:
    """Packets that the job will ask the broker for, which must be approved now, too."""
    if kind == JobKind.ALIGN:
        return [str(spec["packet_id"])]
    if kind != JobKind.AGGREGATE:
        return []
    named = spec["packet_ids"]
    if not isinstance(named, list) or not 2 <= len(set(map(str, named))) == len(named) <= MAX_PARENTS:
        raise UsageError(f"packet_ids must be a list of 2 to {MAX_PARENTS} packets, each once")
    return [str(each) for each in named]


def _write(session: Session, kind: JobKind, spec: dict[str, Any], submitter: str, terms: Terms) -> Placed:
    """Insert, or find what holds one of the keys: a twin may end between the two, so try again."""
    digest = _digest(kind, spec, terms)
    columns = {name: each for name, each in asdict(terms).items() if name != "needs" and each is not None}
    row = {"kind": kind, "spec": spec, "submitter": submitter, "order_sha256": digest, **columns}
    for _ in range(TRIES):
        row["waits_for"] = needs.missing(session, terms.needs, str(terms.project)) if terms.needs else 0
        job = intake.enter(session, row)
        if job is not None:
            if terms.needs:
                needs.link(session, job.id, terms.needs)
            return Placed(job, fresh=True)
        found = _holder(session, kind, submitter, terms)
        if found is not None:
            job, key = found
            return Placed(_same(job, digest, key), fresh=False)
    raise Conflict("another job with its key came and went meanwhile", hint="Send the order again.")


def _holder(session: Session, kind: JobKind, submitter: str, terms: Terms) -> tuple[Job, str] | None:
    """The job that holds one of the order's keys, and which."""
    if terms.idempotency_key is not None and (job := _by_idempotency(session, submitter, terms.idempotency_key)):
        return job, "idempotency"
    twin = select(Job).where(Job.submitter == submitter, Job.kind == kind, Job.dedup_key == terms.dedup_key)
    found = session.scalar(twin.where(Job.state.in_(LIVE)))
    return (found, "de-duplication") if found is not None else None


def _by_idempotency(session: Session, submitter: str, key: str) -> Job | None:
    return session.scalar(select(Job).where(Job.submitter == submitter, Job.idempotency_key == key))


def _same(job: Job, digest: str, key: str) -> Job:
    if job.order_sha256 != digest:
        raise Conflict(f"its {key} key was used for another order: job {job.id}", hint="Choose a new key.")
    return job


def _digest(kind: JobKind, spec: dict[str, Any], terms: Terms) -> str:
    """What was asked for, whatever key it came with."""
    asked = {**asdict(terms), "idempotency_key": None, "kind": kind, "spec": spec}
    return sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()


def _listed(roles: frozenset[Role]) -> str:
    return ", ".join(sorted(roles))
