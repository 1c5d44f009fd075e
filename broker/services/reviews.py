"""Reviewers: a packet that waits for them is approved when enough have agreed, and rejected when one says no."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from broker.models import Attestation, Packet, PacketState, Role
from broker.services import attestations, cascade, keyring, lifecycle, lineage, packets, scans
from broker.services.agents import Standing, holders
from broker.services.approvals import Approvals
from m2kt.client.predicates import APPROVAL, STATE
from m2kt.errors import Conflict, Forbidden, SignatureError
from m2kt.signing.dsse import Envelope
from m2kt.signing.keys import PrivateKey
from m2kt.signing.statement import Statement

DECISIONS = ("approve", "reject")


def review(
    session: Session, key: PrivateKey, standing: Standing, packet_id: str, envelope: bytes, *, required: Approvals
) -> Attestation:
    """Take a reviewer's signed decision about a packet, and move the packet when that decides it."""
    lineage.lock(session)  # before the packet's row: a rejection doubts its descendants
    packet = packets.hold(session, packet_id)
    signer, predicate = attestations.said_by(session, standing, packet, envelope, APPROVAL, Role.REVIEWER)
    decision = _decision(predicate)
    _require_waiting(packet, decision)
    _require_independent(session, standing, packet, signer)
    row = attestations.record(session, packet_id, APPROVAL, envelope, signer)
    _require_new(session, row)
    if decision == "reject":
        name = holders(session, standing, [signer], {Role.REVIEWER})[0].name
        reason = f"rejected by the reviewer {name}"
        cascade.take_back(session, key, packet, PacketState.REJECTED, reason=reason, by=name)
        return row
    if packet.state == PacketState.APPROVED:
        return row
    agreed = approved_by(session, standing, packet_id)
    needed = max(1, required.needed(packet), scans.asked(session, packet_id))
    if len(agreed) >= needed and cascade.doubt(session, packet_id) is None:
        people = "reviewer" if len(agreed) == 1 else "reviewers"
        reason = f"its scan passed, and {len(agreed)} {people} approved it: {', '.join(sorted(agreed))}"
        lifecycle.move(session, key, packet, PacketState.APPROVED, reason=reason, by="reviewers")
    return row


def _require_waiting(packet: Packet, decision: str) -> None:
    """An approval counts also for what is approved: students of the teacher's family may ask for reviewers whom nobody
    else asked for. It changes no state."""
    if packet.state == PacketState.QUARANTINED or (packet.state == PacketState.APPROVED and decision == "approve"):
        return
    raise Conflict(f"packet {packet.packet_id} is {packet.state}: it waits for no reviewer")


def approved_by(session: Session, standing: Standing, packet_id: str) -> set[str]:
    """Reviewers, each once however many keys they had, whose approval counts: it was given since the packet waits for
    them, and their key does so now."""
    wanted = select(Attestation).where(
        Attestation.packet_id == packet_id,
        Attestation.predicate_type == APPROVAL,
        Attestation.id > _waits_since(session, packet_id),
    )
    signers = [row.signer for row in session.scalars(wanted) if _decision(_predicate(row)) == "approve"]
    at = keyring.now(session)
    found = holders(session, standing, signers, {Role.REVIEWER})
    return {each.name for each in found if each.validity.fault(at) is None}


def _waits_since(session: Session, packet_id: str) -> int:
    """The statement that made it wait; whoever adds statements holds the packet, so ids are in order."""
    last = attestations.latest(session, packet_id, STATE)
    return 0 if last is None else last.id


def _require_new(session: Session, row: Attestation) -> None:
    """A review from before the packet was quarantined again cannot be sent a second time."""
    if row.id < _waits_since(session, row.packet_id):
        raise Conflict("this review is from before the packet was quarantined", hint="Look at it again, sign anew.")


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
