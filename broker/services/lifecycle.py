"""The one door through which a packet changes state. Every change is signed by the broker, logged, and told."""

from collections.abc import Mapping, Sequence

from sqlalchemy.orm import Session

from broker.errors import IllegalTransition
from broker.models import TRANSITIONS, Packet, PacketState
from broker.services import attestations, feed, keyring, rounds
from m2kt.client.predicates import STATE
from m2kt.signing.keys import PrivateKey


def move(session: Session, key: PrivateKey, packet: Packet, to: PacketState, *, reason: str, by: str) -> None:
    """Take a packet to another state; the caller holds its row (`packets.hold`)."""
    move_all(session, key, [packet], to, reasons={packet.packet_id: reason}, by=by)


def move_all(
    session: Session, key: PrivateKey, held: Sequence[Packet], to: PacketState, *, reasons: Mapping[str, str], by: str
) -> None:
    """The same for many packets, whose rows the caller holds, in a handful of statements."""
    for packet in held:
        if to not in TRANSITIONS[packet.state]:
            raise IllegalTransition(f"a packet that is {packet.state} cannot become {to}")
    at, events, said = keyring.now(session), [], {}
    for packet in held:
        before, reason = packet.state, reasons[packet.packet_id]
        packet.state, packet.reason, packet.state_changed = to, reason, at
        said[packet.packet_id] = {"from": before.value, "to": to.value, "reason": reason, "by": by}
        told = {"state": to.value, "before": before.value, "reason": reason}
        events.append(feed.event(feed.STATE, packet.packet_id, packet.name, packet.version, **told))
    session.flush()
    attestations.state_all(session, key, STATE, said)
    feed.note_all(session, events)
    rounds.packets_moved(session, said)
