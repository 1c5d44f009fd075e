"""The one door through which a packet changes state. Every change is signed by the broker."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from broker.errors import IllegalTransition
from broker.models import TRANSITIONS, Packet, PacketState
from broker.services import attestations, rounds
from m2kt.client.predicates import STATE
from m2kt.errors import NotPullable, PacketRevoked
from m2kt.signing.keys import PrivateKey


def move(session: Session, key: PrivateKey, packet: Packet, to: PacketState, *, reason: str, by: str) -> None:
    """Take a packet to another state; the caller holds its row (`packets.hold`)."""
    if to not in TRANSITIONS[packet.state]:
        raise IllegalTransition(f"a packet that is {packet.state} cannot become {to}")
    before, packet.state, packet.reason = packet.state, to, reason
    packet.state_changed = session.scalars(select(func.clock_timestamp())).one()
    session.flush()
    predicate = {"from": before.value, "to": to.value, "reason": reason, "by": by}
    attestations.state(session, key, packet.packet_id, STATE, predicate)
    rounds.packet_moved(session, packet)


def require_pullable(packet: Packet) -> None:
    """Fail closed: only what a scan has approved leaves the broker."""
    if packet.state == PacketState.REVOKED:
        raise PacketRevoked(f"packet {packet.packet_id} was revoked: {packet.reason}")
    if packet.state != PacketState.APPROVED:
        why = f": {packet.reason}" if packet.reason else ""
        raise NotPullable(f"packet {packet.packet_id} is {packet.state}{why}")
