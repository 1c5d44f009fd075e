"""Reviewers: a packet that waits for them is approved when enough have agreed, and rejected when one says no."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from broker.models import Attestation, Packet, PacketState, Role
from broker.services import attestations, keyring, lifecycle, packets
from broker.services.agents import Standing, holders
from m2kt.client.predicates import APPROVAL
from m2kt.errors import Conflict, Forbidden, SignatureError
from m2kt.signing.dsse import Envelope
from m2kt.signing.keys import PrivateKey
from m2kt.signing.statement import Statement

DECISIONS = ("approve", "reject")


def review(
    session: Session, key: PrivateKey, standing: Standing, packet_id: str, envelope: bytes, *, required: int
) -> Attestation:
    """Take a reviewer's signed decision about a packet, and move the packet when that decides it."""
    packet = packets.hold(session, packet_id)
    if packet.state != PacketState.QUARANTINED:
        raise Conflict(f"packet {packet_id} is {packet.state}: it waits for no reviewer")
    signer, predicate = attestations.said_by(session, standing, packet, envelope, APPROVAL, Role.REVIEWER)
    decision = _decision(predicate)
    _require_independent(session, standing, packet, signer)
    row = attestations.record(session, packet_id, APPROVAL, envelope, signer)
    if decision == "reject":
        name = holders(session, standing, [signer], {Role.REVIEWER})[0].name
        lifecycle.move(session, key, packet, PacketState.REJECTED, reason=f"rejected by the reviewer {name}", by=name)
        return row
    agreed = approved_by(session, standing, packet_id)
    if len(agreed) >= required:
        reason = f"its scan passed, and {len(agreed)} reviewers approved it: {', '.join(sorted(agreed))}"
        lifecycle.move(session, key, packet, PacketState.APPROVED, reason=reason, by="reviewers")
    return row


def approved_by(session: Session, standing: Standing, packet_id: str) -> set[str]:
    """Reviewers, each once however many keys they had, whose approval counts: their key does so now."""
    wanted = select(Attestation).where(Attestation.packet_id == packet_id, Attestation.predicate_type == APPROVAL)
    signers = [row.signer for row in session.scalars(wanted) if _decision(_predicate(row)) == "approve"]
    at = keyring.now(session)
    found = holders(session, standing, signers, {Role.REVIEWER})
    return {each.name for each in found if each.validity.fault(at) is None}


def _require_independent(session: Session, standing: Standing, packet: Packet, signer: str) -> None:
    """Nobody reviews what they published or signed, with whichever of their keys."""
    involved = {each.key_id for each in packets.signatures(session, [packet.packet_id])[packet.packet_id]}
    people = holders(session, standing, involved | {packet.publisher_key}, set(Role))
    reviewer = holders(session, standing, [signer], {Role.REVIEWER})[0]
    if reviewer.name in {each.name for each in people} | {packet.publisher}:
        raise Forbidden(f"{reviewer.name} published or signed this packet: somebody else must review it")


def _decision(predicate: Mapping[str, Any]) -> str:
    decision = predicate.get("decision")
    if decision not in DECISIONS:
        raise SignatureError(f"a review's decision is one of {', '.join(DECISIONS)}")
    return str(decision)


def _predicate(row: Attestation) -> Mapping[str, Any]:
    return Statement.from_bytes(Envelope.from_bytes(row.envelope).payload).predicate
