"""What a peer does in a round: post confidences, publish what it teaches, report what it has learned.

Each may be said again: equal content changes nothing, other content is a conflict.
"""

import base64
import binascii
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from broker.models import Exchange, ExchangePeer, ExchangeRound, ExchangeState, ExchangeTurn, PeerState, Phase
from broker.services import exchanges, publishing, rounds
from broker.services.agents import PEERS, Principal
from broker.services.publishing import Desk, Published
from m2kt.errors import (
    ConfidenceInvalid,
    Conflict,
    Evicted,
    ExchangeError,
    ExchangeOver,
    NotFound,
    RoundOver,
    SamplesChanged,
    TaskDiffers,
    UnknownKey,
)
from m2kt.exchange.masks import check_confidences
from m2kt.exchange.packets import Taught, Turn, description_digest, parse_shape, read
from m2kt.packet import Packet, PacketKind


@dataclass(frozen=True)
class Place:
    """A peer's place in the present round, under the exchange's lock."""

    exchange: Exchange
    peer: ExchangePeer
    turn: ExchangeTurn | None


def turn_of(exchange: Exchange, peer: str, number: int) -> Turn:
    """What the packet of a peer must say of itself in a round."""
    task = exchange.task
    return Turn(
        exchange=str(exchange.id),
        peer=peer,
        round=number,
        plan=rounds.plan_of(exchange.plan),
        task=description_digest(task),
        sample_count=task["sample_count"],
        class_count=len(task["classes"]),
        shape=parse_shape(task["shape"]),
    )


def post(
    session: Session, exchange_id: uuid.UUID, number: int, text: str, task: str, samples: str, *, by: Principal
) -> Exchange:
    """Take a peer's confidences for a round: base64 of float32 values, one for each place.

    ``task`` and ``samples`` are digests of what the peer holds now: one that changed since it joined is refused.
    """
    exchange = rounds.hold(session, exchange_id)
    peer = exchanges.require_peer(session, exchange, by)
    values = _confidences(text, turn_of(exchange, by.name, number).place_count)
    turn = session.get(ExchangeTurn, (exchange.id, number, by.name))
    if turn is not None and turn.confidences is not None:
        _require_same(turn.confidences == values.tobytes(), f"confidences of {by.name} for round {number}")
        return exchange
    _require_phase(exchange, peer, number, Phase.CONFIDENCES)
    if samples != exchange.task["samples_sha256"]:
        raise SamplesChanged(f"the sample set of {by.name} is not the one that the exchange began with")
    if task != description_digest(exchange.task):
        raise TaskDiffers(f"the task of {by.name} is not the one that the exchange began with")
    if turn is None:
        turn = ExchangeTurn(exchange_id=exchange.id, round=number, peer=by.name)
        session.add(turn)
    turn.confidences, turn.dropped = values.tobytes(), None
    rounds.advance(session, exchange)
    return exchange


def _confidences(text: str, count: int) -> NDArray[np.float32]:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ConfidenceInvalid("confidences must be base64 of float32 values") from error
    if len(data) != 4 * count:
        raise ConfidenceInvalid(f"{len(data) / 4:g} confidences instead of {count}: one for each place of the round")
    values = np.frombuffer(data, "<f4")
    check_confidences(values)
    return values


def publish(
    session: Session, desk: Desk, exchange_id: uuid.UUID, number: int, data: bytes | bytearray, *, by: Principal
) -> Published:
    """Take in what a peer predicts for the samples that it teaches: a packet like any other, and exactly its turn."""
    where = rounds.get(session, exchange_id).project
    published = publishing.publish(
        session, desk, data, publisher=by, project=where, roles=PEERS, kinds={PacketKind.EXCHANGE}
    )
    exchange = rounds.hold(session, exchange_id)  # after the packet: locks have one order
    peer = exchanges.require_peer(session, exchange, by)
    turn = session.get(ExchangeTurn, (exchange.id, number, by.name))
    if turn is not None and turn.packet_id == published.packet.packet_id:
        return published
    _require_phase(exchange, peer, number, Phase.PREDICTIONS)
    if turn is None or turn.dropped is not None:
        raise RoundOver(f"round {number} goes on without {by.name}: {turn.dropped if turn else 'it did not post'}")
    _require_same(turn.packet_id is None, f"predictions of {by.name} in round {number}")
    assert published.content is not None
    if by.key_id not in published.content.key_ids:
        raise UnknownKey(f"{by.name} did not sign this packet", hint="Every peer signs its own predictions.")
    _check_packet(session, exchange, turn, published.content.packet)
    turn.packet_id, peer.key_id = published.packet.packet_id, by.key_id
    rounds.advance(session, exchange)
    return published


def _check_packet(session: Session, exchange: Exchange, turn: ExchangeTurn, packet: Packet) -> None:
    """The packet is this turn's: the places that the mask gives, and the confidences that were posted."""
    expected = turn_of(exchange, turn.peer, turn.round)
    said, taught = read(packet)
    if said != expected:
        raise ExchangeError(f"{packet.manifest.reference} is not the turn of {turn.peer} in round {turn.round}")
    _check_places(session, exchange, turn, taught)


def _check_places(session: Session, exchange: Exchange, turn: ExchangeTurn, taught: Taught) -> None:
    places = taught_places(session, exchange, turn)
    if not np.array_equal(taught.places, places):
        raise ExchangeError(
            f"{turn.peer} teaches {len(places)} places of round {turn.round}; these are {len(taught.places)} or others",
            hint="Publish predictions for exactly the places of the mask.",
        )
    if taught.confidences.tobytes() != np.frombuffer(turn.confidences or b"", "<f4")[places].tobytes():
        raise ExchangeError("the packet claims other confidences than those that were posted")


def taught_places(session: Session, exchange: Exchange, turn: ExchangeTurn) -> NDArray[np.int64]:
    """The places of the round that a peer teaches, (n,)."""
    found = session.get(ExchangeRound, (exchange.id, turn.round))
    assert found is not None
    if found.peers is None or turn.peer not in found.peers:
        return np.zeros(0, np.int64)
    teachers = np.frombuffer(found.teachers or b"", np.uint8)
    return np.flatnonzero(teachers == found.peers.index(turn.peer))


def report(
    session: Session, exchange_id: uuid.UUID, number: int, said: Mapping[str, Any], *, by: Principal
) -> Exchange:
    """A peer has learned from this round."""
    exchange = rounds.hold(session, exchange_id)
    peer = exchanges.require_peer(session, exchange, by)
    turn = session.get(ExchangeTurn, (exchange.id, number, by.name))
    if turn is not None and turn.report is not None:
        _require_same(turn.report == dict(said), f"report of {by.name} on round {number}")
        return exchange
    _require_phase(exchange, peer, number, Phase.REPORTS)
    if turn is None or turn.dropped is not None:
        raise RoundOver(f"round {number} goes on without {by.name}: {turn.dropped if turn else 'it did not post'}")
    turn.report = dict(said)
    rounds.advance(session, exchange)
    return exchange


def get_round(session: Session, exchange_id: uuid.UUID, number: int) -> ExchangeRound:
    found = session.get(ExchangeRound, (exchange_id, number))
    if found is None:
        raise NotFound(f"exchange {exchange_id} has not come to round {number}", hint="See `m2kt exchange show`.")
    return found


def place(session: Session, exchange_id: uuid.UUID, number: int, phase: Phase, by: Principal) -> Place:
    """The caller's place in the present round, which must be in ``phase``."""
    exchange = rounds.hold(session, exchange_id)
    peer = exchanges.require_peer(session, exchange, by)
    _require_phase(exchange, peer, number, phase)
    return Place(exchange, peer, session.get(ExchangeTurn, (exchange.id, number, by.name)))


def _require_phase(exchange: Exchange, peer: ExchangePeer, number: int, phase: Phase) -> None:
    if peer.state == PeerState.EVICTED:
        raise Evicted(f"{peer.name} was evicted: {peer.reason}")
    if exchange.state in (ExchangeState.FINISHED, ExchangeState.FAILED):
        raise ExchangeOver(f"exchange {exchange.id} is {exchange.state}: {exchange.reason}")
    if exchange.state == ExchangeState.OPEN:
        raise RoundOver(f"exchange {exchange.id} has not begun", hint="Wait until all peers have joined.")
    if (exchange.round, exchange.phase) != (number, phase):
        raise RoundOver(f"exchange {exchange.id} is in round {exchange.round}, at {exchange.phase}")
    if peer.state != PeerState.PRESENT:
        raise RoundOver(f"round {number} goes on without {peer.name}: {peer.reason}")


def _require_same(same: bool, what: str) -> None:
    if not same:
        raise Conflict(f"other {what} are here already", hint="What was said in a round stands; nothing was changed.")
