"""Opening an exchange, joining it, leaving it, and who may see what was published in it.

The broker holds peers, confidences, masks and packets. It never gets inputs or labels, only digests of them.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from broker.models import Agent, Exchange, ExchangePeer, ExchangeState, ExchangeTurn, PeerState, Role
from broker.services import rounds
from broker.services.agents import PEERS, Principal
from broker.services.scopes import EVERY, Scope, home
from m2kt.errors import (
    Conflict,
    Evicted,
    ExchangeError,
    ExchangeOver,
    Forbidden,
    PlanInvalid,
    SamplesChanged,
    TaskDiffers,
    TooLarge,
)
from m2kt.exchange import RoundPlan
from m2kt.exchange.packets import MAX_PLACES, packet_name, parse_shape
from m2kt.packet import fields

OPENING = frozenset({Role.TEACHER, Role.STUDENT, Role.WORKER, Role.ADMIN})
JOINING = PEERS
"""A peer is a registered agent: who signs what, and since when its key counts, must stand in the log."""

READING = frozenset({Role.AUDITOR, Role.ADMIN})
MAX_CONFIDENCES = 2**23
"""Of one round, all peers together: 32 MiB, which every peer asks for once a round."""

SLACK_BYTES = 65_536
"""What a packet has besides its logits, at most, apart from 20 bytes a place."""


@dataclass(frozen=True)
class Opening:
    """What an exchange is opened with."""

    task: Mapping[str, Any]
    plan: RoundPlan
    invited: tuple[str, ...] | None
    least: int
    most: int
    join_seconds: float
    phase_seconds: float
    project: str | None = None


def open_(session: Session, opening: Opening, *, by: Principal, max_bytes: int) -> Exchange:
    """Open an exchange; whoever is invited, or anybody where nobody is, joins until the deadline."""
    _check_size(opening, max_bytes)
    project = home(by.project, opening.project)
    if opening.invited is not None:
        _check_invited(session, opening, project)
    at = session.scalars(select(func.clock_timestamp())).one()
    exchange = Exchange(
        project=project,
        opened_by=by.name,
        task=dict(opening.task),
        plan=opening.plan.to_bytes().decode(),
        invited=None if opening.invited is None else list(opening.invited),
        least=opening.least,
        most=_most(opening),
        phase_seconds=opening.phase_seconds,
        deadline=at + timedelta(seconds=opening.join_seconds),
    )
    session.add(exchange)
    session.flush()
    session.refresh(exchange)
    return exchange


def _most(opening: Opening) -> int:
    return opening.most if opening.invited is None else len(opening.invited)


def _check_size(opening: Opening, max_bytes: int) -> None:
    """Its rounds must exist, and one peer's predictions of a whole round must fit into a packet."""
    plan, task = opening.plan, opening.task
    places = plan.samples_per_round
    for each in parse_shape(task["shape"]):
        places *= each
    if plan.samples_per_round > task["sample_count"]:
        raise PlanInvalid(f"a round takes {plan.samples_per_round} samples, the set has {task['sample_count']}")
    if places * _most(opening) > MAX_CONFIDENCES:
        raise TooLarge(
            f"a round of {places} places and {_most(opening)} peers has more than {MAX_CONFIDENCES} confidences",
            hint="Take fewer samples a round, or fewer peers (most).",
        )
    size = places * (4 * len(task["classes"]) + 20) + SLACK_BYTES
    if places > MAX_PLACES or size > max_bytes:
        raise TooLarge(
            f"the predictions of one round may need {size} bytes, a packet here has at most {max_bytes}",
            hint="Take fewer samples a round, or raise the broker's M2KT_MAX_PACKET_BYTES.",
        )


def _check_invited(session: Session, opening: Opening, project: str) -> None:
    invited = opening.invited or ()
    if len(set(invited)) < len(invited) or not opening.least <= len(invited):
        raise ExchangeError(f"at least {opening.least} different peers must be invited, not {', '.join(invited)}")
    here = Agent.project.in_((project, EVERY))
    known = set(session.scalars(select(Agent.name).where(Agent.name.in_(invited), Agent.role.in_(JOINING), here)))
    if unknown := sorted(set(invited) - known):
        raise ExchangeError(
            f"no teacher, student or worker of the project {project} is registered as {', '.join(unknown)}",
            hint="Register them first: `m2kt agent register`.",
        )


def join(session: Session, exchange_id: uuid.UUID, task: Mapping[str, Any], *, by: Principal) -> Exchange:
    """Take part, or come back after having been away; who joins again while present changes nothing."""
    _check_joiner(session, exchange_id, by)
    exchange = rounds.hold(session, exchange_id)
    if exchange.state not in rounds.LIVE:
        raise ExchangeOver(f"exchange {exchange.id} is {exchange.state}: {exchange.reason}")
    check_task(exchange.task, task, by.name)
    peer = session.get(ExchangePeer, (exchange.id, by.name))
    if peer is None:
        _admit(session, exchange, by)
    elif peer.state == PeerState.EVICTED:
        raise Evicted(f"{by.name} was evicted: {peer.reason}")
    else:
        peer.state, peer.reason, peer.key_id = PeerState.PRESENT, None, by.key_id
    rounds.advance(session, exchange)
    return exchange


def _check_joiner(session: Session, exchange_id: uuid.UUID, by: Principal) -> None:
    """Before any lock: whoever may not join at all."""
    if by.role not in JOINING or session.scalar(select(Agent.id).where(Agent.name == by.name)) is None:
        raise Forbidden(
            f"{by.name} cannot be a peer: peers are registered agents with the role {', '.join(sorted(JOINING))}"
        )
    fields.name(packet_name(str(exchange_id), by.name), "the name of this peer's packets")


def _admit(session: Session, exchange: Exchange, by: Principal) -> None:
    if exchange.invited is not None and by.name not in exchange.invited:
        raise Forbidden(f"{by.name} is not invited to exchange {exchange.id}", hint="Ask who opened it.")
    if exchange.state != ExchangeState.OPEN or len(rounds.peers(session, exchange.id)) >= exchange.most:
        raise Conflict(
            f"exchange {exchange.id} takes no more peers: it is {exchange.state}",
            hint="Only who was a peer before may come back; open another exchange.",
        )
    session.add(ExchangePeer(exchange_id=exchange.id, name=by.name, key_id=by.key_id))
    session.flush()


def check_task(wanted: Mapping[str, Any], found: Mapping[str, Any], peer: str) -> None:
    """`TaskDiffers` or `SamplesChanged`, naming what differs."""
    if list(found["classes"]) != list(wanted["classes"]):
        raise TaskDiffers(f"the classes of {peer} differ: {_difference(wanted['classes'], found['classes'])}")
    for name, what in (("name", "task"), ("shape", "shape of labels")):
        if found[name] != wanted[name]:
            raise TaskDiffers(f"{peer} has the {what} {found[name]!r} instead of {wanted[name]!r}")
    for name, what in (
        ("sample_count", "number of samples"),
        ("samples_sha256", "digest of the sample identifiers"),
        ("labels_sha256", "digest of the labels"),
    ):
        if found[name] != wanted[name]:
            raise SamplesChanged(f"{peer} has {found[name]} as {what}, the exchange {wanted[name]}")


def _difference(wanted: Sequence[str], found: Sequence[str]) -> str:
    if len(wanted) != len(found):
        return f"{len(found)} instead of {len(wanted)}"
    place = next(place for place, pair in enumerate(zip(wanted, found, strict=True)) if pair[0] != pair[1])
    return f"number {place} is {found[place][:80]!r} instead of {wanted[place][:80]!r}"


def leave(session: Session, exchange_id: uuid.UUID, reason: str, *, by: Principal) -> Exchange:
    """Take part no more; the others go on while two are left. Leaving twice changes nothing."""
    exchange = rounds.hold(session, exchange_id)
    peer = require_peer(session, exchange, by)
    if exchange.state in rounds.LIVE and peer.state in (PeerState.PRESENT, PeerState.ABSENT):
        rounds.drop(session, exchange, peer, PeerState.LEFT, f"it left: {reason}")
        rounds.advance(session, exchange)
    return exchange


def cancel(session: Session, exchange_id: uuid.UUID, *, by: Principal) -> Exchange:
    """End an exchange; who opened it, and administrators, may. One that has ended stays as it is."""
    exchange = rounds.hold(session, exchange_id)
    if by.name != exchange.opened_by and by.role != Role.ADMIN:
        raise Forbidden(f"exchange {exchange.id} is {exchange.opened_by}'s")
    if exchange.state in rounds.LIVE:
        rounds.end(session, exchange, ExchangeState.FAILED, f"{by.name} cancelled it")
    return exchange


def require_peer(session: Session, exchange: Exchange, by: Principal) -> ExchangePeer:
    """The caller as a peer; strangers are refused."""
    peer = session.get(ExchangePeer, (exchange.id, by.name))
    if peer is None:
        raise Forbidden(f"{by.name} is no peer of exchange {exchange.id}", hint="Join it first: `m2kt exchange join`.")
    return peer


def require_reader(session: Session, exchange_id: uuid.UUID, by: Principal) -> None:
    """Confidences and predictions are for peers, auditors and administrators; an evicted peer is none."""
    if by.role in READING:
        return
    peer = session.get(ExchangePeer, (exchange_id, by.name))
    if peer is None or peer.state == PeerState.EVICTED:
        raise Forbidden(f"what is published in exchange {exchange_id} is for its peers, auditors and administrators")


def exchange_of(session: Session, packet_id: str) -> uuid.UUID | None:
    """The exchange in which a packet is a turn."""
    return session.scalar(select(ExchangeTurn.exchange_id).where(ExchangeTurn.packet_id == packet_id))


def page(
    session: Session, scope: Scope, *, before: int | None, limit: int, state: ExchangeState | None
) -> list[Exchange]:
    """Exchanges, newest first, from the one before sequence number ``before``."""
    wanted = select(Exchange).where(scope.within(Exchange.project)).order_by(Exchange.seq.desc()).limit(limit)
    if before is not None:
        wanted = wanted.where(Exchange.seq < before)
    if state is not None:
        wanted = wanted.where(Exchange.state == state)
    return list(session.scalars(wanted))
