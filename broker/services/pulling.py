"""Who may have a packet's bytes: by role, and for what was published in an exchange by being its peer."""

from sqlalchemy.orm import Session

from broker.models import Packet, Role
from broker.services import exchanges, packets
from broker.services.agents import Principal
from m2kt.errors import Forbidden
from m2kt.packet import PacketKind

PULLING = frozenset({Role.STUDENT, Role.WORKER, Role.AUDITOR, Role.ADMIN})
ASKING = PULLING | exchanges.JOINING
"""The others among them get what was published in exchanges of theirs, and nothing else."""


def pullable_by(session: Session, packet_id: str, by: Principal) -> Packet:
    """The packet, which a scan has approved, which nobody has revoked, and which ``by`` may have."""
    packet = packets.get(session, packet_id)
    if packet.kind == PacketKind.EXCHANGE:
        _require_peer(session, packet, by)
    elif by.role not in PULLING:
        raise _refusal(by)
    return packets.pullable(session, packet_id, by.scope)


def _require_peer(session: Session, packet: Packet, by: Principal) -> None:
    found = exchanges.exchange_of(session, packet)
    if found is not None:
        exchanges.require_reader(session, found, by)
    elif by.role not in exchanges.READING:  # of no exchange that is known: nobody's to read
        raise _refusal(by)


def _refusal(by: Principal) -> Forbidden:
    return Forbidden(f"{by.name} has the role {by.role}: a {by.role} pulls what peers of its own exchanges published")
