"""Complaints of peers about each other, and when one of them is evicted.

The broker has no labels, so it cannot judge. It checks that a complaint is about what was really claimed and published,
keeps it as an attestation of the packet, and counts. A liar among honest peers is found by all others, who hold the
labels; a liar who accuses an honest peer stands alone. So:

- with three peers or more in the round, the accused is evicted when more than half of the others, and at least two,
  complain about it;
- with two, nobody can tell which of them lies: the exchange fails, and says so.
"""

import uuid

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from broker.models import (
    PULLABLE,
    Exchange,
    ExchangeComplaint,
    ExchangePeer,
    ExchangeState,
    ExchangeTurn,
    Packet,
    PacketState,
    PeerState,
    Phase,
)
from broker.services import attestations, lifecycle, packets, rounds, turns
from broker.services.agents import PEERS, Principal
from broker.services.publishing import Desk
from m2kt.client.predicates import COMPLAINT
from m2kt.errors import ExchangeError, Forbidden, NotFound, NotPullable, SignatureError
from m2kt.exchange.complaints import Complaint, substantiate
from m2kt.exchange.packets import read
from m2kt.packet import read_packet

QUORUM = 2


def complain(
    session: Session, desk: Desk, exchange_id: uuid.UUID, number: int, accused: str, envelope: bytes, *, by: Principal
) -> ExchangeComplaint:
    """Keep a peer's complaint about another's predictions, and evict who too many complain about. Idempotent."""
    packet = _accused_packet(session, exchange_id, number, accused)
    known = session.get(ExchangeComplaint, (exchange_id, number, accused, by.name))
    if known is not None:
        return known
    place = turns.place(session, exchange_id, number, Phase.REPORTS, by)
    if place.turn is None or place.turn.dropped is not None or accused == by.name:
        raise Forbidden(f"{by.name} takes no part in round {number}, or accuses itself")
    said = _said(session, desk, packet, envelope, by)
    if (said.exchange, said.round, said.accused) != (str(exchange_id), number, accused):
        raise ExchangeError("the complaint is about another exchange, round or peer")
    content = b"".join(desk.store.read(session, packet.content_sha256, 0, packet.size))
    substantiate(said, read(read_packet(content))[1])
    kept = attestations.record(session, packet.packet_id, COMPLAINT, envelope, by.key_id)
    row = ExchangeComplaint(
        exchange_id=exchange_id,
        round=number,
        accused=accused,
        complainant=by.name,
        attestation_id=kept.id,
        places=said.differing,
    )
    session.add(row)
    session.flush()
    _judge(session, desk, place.exchange, packet, row)
    return row


def _accused_packet(session: Session, exchange_id: uuid.UUID, number: int, accused: str) -> Packet:
    """Locked, and before its exchange: locks have one order."""
    turn = session.get(ExchangeTurn, (exchange_id, number, accused))
    if turn is None or turn.packet_id is None:
        raise NotFound(f"{accused} published nothing in round {number} of exchange {exchange_id}")
    return packets.hold(session, turn.packet_id)


def _said(session: Session, desk: Desk, packet: Packet, envelope: bytes, by: Principal) -> Complaint:
    if packet.state not in PULLABLE | {PacketState.EXPIRED, PacketState.REVOKED}:
        raise NotPullable(f"packet {packet.packet_id} is {packet.state}: no peer can have seen it")
    signer, predicate = attestations.said_by(session, desk.standing, packet, envelope, COMPLAINT, *PEERS)
    if signer != by.key_id:
        raise SignatureError("a complaint is signed by who makes it")
    return Complaint.from_dict(predicate)


def _judge(session: Session, desk: Desk, exchange: Exchange, packet: Packet, row: ExchangeComplaint) -> None:
    taking_part = [each.peer for each in rounds.turns(session, exchange.id, row.round) if each.dropped is None]
    others = [each for each in taking_part if each != row.accused]
    if row.accused not in taking_part:
        return
    if len(others) < QUORUM:
        why = f"{row.complainant} says that {row.accused} lied in round {row.round}, and two cannot tell who is right"
        return rounds.end(session, exchange, ExchangeState.FAILED, f"{why}; attestation {row.attestation_id} has it")
    voices = _voices(session, row, others)
    if voices >= QUORUM and 2 * voices > len(others):
        _evict(session, desk, exchange, packet, row, f"{voices} of {len(others)} peers")
    rounds.advance(session, exchange)


def _voices(session: Session, row: ExchangeComplaint, others: list[str]) -> int:
    wanted = select(func.count()).where(
        ExchangeComplaint.exchange_id == row.exchange_id,
        ExchangeComplaint.round == row.round,
        ExchangeComplaint.accused == row.accused,
        ExchangeComplaint.complainant.in_(others),
    )
    return session.scalars(wanted).one()


def _evict(session: Session, desk: Desk, exchange: Exchange, packet: Packet, row: ExchangeComplaint, who: str) -> None:
    why = f"round {row.round}: {who} found that its predictions do not give the confidences that it claimed"
    peer = session.get(ExchangePeer, (exchange.id, row.accused))
    assert peer is not None
    rounds.drop(session, exchange, peer, PeerState.EVICTED, why)
    if packet.state != PacketState.REVOKED:
        lifecycle.move(session, desk.key, packet, PacketState.REVOKED, reason=why, by="exchange")


def of_round(session: Session, exchange_id: uuid.UUID, number: int) -> list[ExchangeComplaint]:
    """Complaints in a round, oldest first."""
    wanted = select(ExchangeComplaint).where(
        ExchangeComplaint.exchange_id == exchange_id, ExchangeComplaint.round == number
    )
    return list(session.scalars(wanted.order_by(ExchangeComplaint.created, ExchangeComplaint.complainant)))
