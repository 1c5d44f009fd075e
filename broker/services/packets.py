"""Finding, serving and revoking packets. Publishing is in `broker.services.publishing`."""

from collections.abc import Collection, Iterable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from broker.errors import IllegalTransition
from broker.models import AgentKey, Packet, PacketSignature, PacketState, Role
from broker.services import cascade, lifecycle, lineage
from broker.services.agents import Principal
from broker.services.scopes import EVERYWHERE, Scope
from broker.storage import BlobStore
from m2kt.errors import Forbidden, NotFound, NotPullable
from m2kt.signing.keys import PrivateKey
from m2kt.signing.validity import Validity


def get(session: Session, packet_id: str) -> Packet:
    packet = session.get(Packet, packet_id)
    if packet is None:
        raise NotFound(f"there is no packet {packet_id}")
    return packet


def hold(session: Session, packet_id: str) -> Packet:
    """The packet, locked until the transaction ends; others may refer to it meanwhile."""
    packet = session.get(Packet, packet_id, with_for_update={"key_share": True}, populate_existing=True)
    if packet is None:
        raise NotFound(f"there is no packet {packet_id}")
    return packet


def versions(session: Session, name: str, *, yanked: bool = False) -> list[Packet]:
    """All versions of a name, newest first; those that were yanked only when they are asked for."""
    found = list(session.scalars(select(Packet).where(Packet.name == name).order_by(Packet.seq.desc())))
    if not found:
        raise NotFound(f"there is no packet named {name}")
    return [each for each in found if yanked or each.state != PacketState.YANKED]


def signatures(session: Session, packet_ids: Collection[str]) -> dict[str, list[PacketSignature]]:
    """Verified signatures by packet id, oldest first."""
    wanted = select(PacketSignature).where(PacketSignature.packet_id.in_(packet_ids))
    found: dict[str, list[PacketSignature]] = {each: [] for each in packet_ids}
    for row in session.scalars(wanted.order_by(PacketSignature.created, PacketSignature.key_id)):
        found[row.packet_id].append(row)
    return found


def pullable(session: Session, packet_id: str, scope: Scope = EVERYWHERE) -> Packet:
    """The packet, which a scan has approved and nobody has revoked; outside the scope there is none."""
    packet = get(session, packet_id)
    if not scope.has(packet.project):
        raise NotFound(f"there is no packet {packet_id}")
    lifecycle.require_pullable(session, packet)
    _require_counted(session, packet)
    return packet


def _require_counted(session: Session, packet: Packet) -> None:
    """At least one signature was here before its key was revoked. Holders whom the settings name are not judged."""
    signed = signatures(session, [packet.packet_id])[packet.packet_id]
    rows = session.scalars(select(AgentKey).where(AgentKey.key_id.in_([each.key_id for each in signed])))
    limits = {row.key_id: row.validity for row in rows}
    require_one_counted((each.key_id, each.created, limits.get(each.key_id)) for each in signed)


def require_one_counted(signed: Iterable[tuple[str, datetime, Validity | None]]) -> None:
    """The same for keys, when they signed, and what limits them."""
    faults = {key: validity.fault(at) if validity else None for key, at, validity in signed}
    if all(faults.values()):
        why = "; ".join(f"{fault} ({key[:16]})" for key, fault in faults.items())
        raise NotPullable(why, hint="Ask its publisher to sign it again, with a key that counts.")


def content(session: Session, store: BlobStore, packet: Packet, start: int, stop: int) -> bytes:
    """Bytes ``[start, stop)`` of an approved packet; asked again here, so that no caller can forget."""
    lifecycle.require_pullable(session, packet)
    return b"".join(store.read(session, packet.content_sha256, start, stop))


def revoke(session: Session, key: PrivateKey, packet_id: str, *, reason: str, by: Principal) -> Packet:
    """Take a packet back, and doubt what was made of it (`broker.services.cascade`). Its publisher, its signers and
    administrators may; the second time changes nothing."""
    lineage.lock(session)
    packet = _held_by(session, packet_id, by, "revoke")
    if packet.state != PacketState.REVOKED:
        cascade.take_back(session, key, packet, PacketState.REVOKED, reason=reason, by=by.name)
    return packet


def yank(session: Session, key: PrivateKey, packet_id: str, *, reason: str, by: Principal) -> Packet:
    """Advise against a packet: who names it exactly still gets it, nobody is led to it. The second time changes
    nothing."""
    packet = _held_by(session, packet_id, by, "yank")
    if packet.state != PacketState.YANKED:
        lifecycle.move(session, key, packet, PacketState.YANKED, reason=reason, by=by.name)
    return packet


def unyank(session: Session, key: PrivateKey, packet_id: str, *, reason: str, by: Principal) -> Packet:
    """Take the advice back; a packet that is approved stays so."""
    packet = _held_by(session, packet_id, by, "unyank")
    if packet.state not in (PacketState.YANKED, PacketState.APPROVED):
        raise IllegalTransition(f"packet {packet_id} is {packet.state}: it is not yanked")
    if packet.state == PacketState.YANKED:
        lifecycle.move(session, key, packet, PacketState.APPROVED, reason=reason, by=by.name)
    return packet


def _held_by(session: Session, packet_id: str, by: Principal, what: str) -> Packet:
    """The packet, locked, for those who may decide about it."""
    packet = hold(session, packet_id)
    signers = {each.key_id for each in signatures(session, [packet_id])[packet_id]}
    if by.role != Role.ADMIN and by.key_id not in {packet.publisher_key, *signers}:
        raise Forbidden(f"only its publisher, its signers or an administrator may {what} a packet")
    return packet
