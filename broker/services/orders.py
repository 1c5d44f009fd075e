"""Orders: the jobs that agents may ask for, and what they may say in them.

A job runs on the worker's host with the worker's key, so its places and its key are the worker's to choose: an order
that names one is refused, not overridden.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from broker.models import Job, JobKind, Role
from broker.services import jobs, packets
from broker.services.agents import Principal
from m2kt.errors import Forbidden, UsageError


@dataclass(frozen=True)
class Order:
    """Who may order a kind of job; the fields that it needs, and those that the worker fills in."""

    roles: frozenset[Role]
    needs: tuple[str, ...] = ()
    filled_in: tuple[str, ...] = ()


ORDERS: Mapping[JobKind, Order] = {
    JobKind.EXTRACT: Order(
        frozenset({Role.TEACHER, Role.WORKER, Role.ADMIN}),
        needs=("model", "domain", "name", "version"),
        filled_in=("key", "out", "broker"),
    ),
    JobKind.ALIGN: Order(
        frozenset({Role.STUDENT, Role.WORKER, Role.ADMIN}),
        needs=("packet_id", "model"),
        filled_in=("packet", "trust", "out"),
    ),
    JobKind.NOOP: Order(frozenset({Role.TEACHER, Role.STUDENT, Role.WORKER, Role.ADMIN})),
}


def place(session: Session, kind: JobKind, spec: dict[str, Any], *, by: Principal) -> Job:
    """Check an order and write it into the ledger."""
    order = ORDERS[kind]
    if by.role not in order.roles:
        raise Forbidden(f"{by.name} has the role {by.role}; a job of kind {kind} is ordered by {_listed(order.roles)}")
    if missing := [name for name in order.needs if not spec.get(name)]:
        raise UsageError(f"a job of kind {kind} needs {', '.join(missing)}")
    if chosen := [name for name in order.filled_in if name in spec]:
        raise UsageError(f"the worker chooses {', '.join(chosen)} itself", hint="Leave them out of the specification.")
    if kind == JobKind.ALIGN:
        packets.pullable(session, str(spec["packet_id"]))
    return jobs.submit(session, kind, spec, submitter=by.name)


def _listed(roles: frozenset[Role]) -> str:
    return ", ".join(sorted(roles))
