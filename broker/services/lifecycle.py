"""The one door through which a packet changes state. Every change is signed by the broker, logged, and told."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from broker.errors import IllegalTransition
from broker.models import PULLABLE, TRANSITIONS, Packet, PacketState, Restatement
from broker.services import attestations, feed, keyring, rounds
from m2kt.client.predicates import STATE
from m2kt.errors import NotPullable, PacketExpired, PacketRevoked
from m2kt.signing.keys import PrivateKey
from m2kt.signing.validity import time_text


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


class Standing(Protocol):
    """What decides whether a packet's bytes may leave; a `Packet`, or a row with these columns."""

    @property
    def packet_id(self) -> str: ...
    @property
    def state(self) -> PacketState: ...
    @property
    def reason(self) -> str | None: ...
    @property
    def good_until(self) -> datetime | None: ...


def require_pullable(session: Session, packet: Packet) -> None:
    """Fail closed: only what a scan has approved, not too long ago, and whose ancestors stand, leaves the broker."""
    restated = select(Restatement.reason).where(Restatement.packet_id == packet.packet_id).scalar_subquery()
    now, due = session.execute(select(func.clock_timestamp(), restated)).one()
    judge_pullable(packet, now, due)


def judge_pullable(packet: Standing, now: datetime, due: str | None) -> None:
    """The same at ``now``, by the database's clock. ``due``: why the packet is about to be quarantined, if it is."""
    if packet.state == PacketState.REVOKED:
        raise PacketRevoked(f"packet {packet.packet_id} was revoked: {packet.reason}")
    if packet.state == PacketState.EXPIRED:
        raise PacketExpired(f"packet {packet.packet_id} is expired: {packet.reason}")
    if packet.state not in PULLABLE:
        why = f": {packet.reason}" if packet.reason else ""
        raise NotPullable(f"packet {packet.packet_id} is {packet.state}{why}")
    if due is not None:
        raise NotPullable(f"packet {packet.packet_id} is being quarantined: {due}")
    if packet.good_until is not None and packet.good_until <= now:
        raise PacketExpired(f"the verdict on packet {packet.packet_id} was good until {time_text(packet.good_until)}")
