"""Reviewers: a packet that waits for them is approved when enough have agreed, and rejected when one says no."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from broker.models import Attestation, Packet, PacketState, Role
from broker.services import accounts, attestations, cascade, keyring, lifecycle, lineage, packets, scans
from broker.services.accounts import Person
from broker.services.agents import Standing, holders
from broker.services.approvals import Approvals
from m2kt.client.predicates import APPROVAL, REVIEW, STATE
from m2kt.errors import Conflict, Forbidden, SignatureError
from m2kt.packet import PacketId
from m2kt.signing.dsse import Envelope
from m2kt.signing.keys import KeyId, PrivateKey, key_id
from m2kt.signing.statement import Statement, attest

DECISIONS = ("approve", "reject")


def review(
    session: Session, key: PrivateKey, standing: Standing, packet_id: str, envelope: bytes, *, required: Approvals
) -> Attestation:
    """Take a reviewer's signed decision about a packet, and move the packet when that decides it."""
    packet = _held(session, packet_id)
    signer, predicate = attestations.said_by(session, standing, packet, envelope, APPROVAL, Role.REVIEWER)
    decision, name = _decision(predicate), holders(session, standing, [signer], {Role.REVIEWER})[0].name
    _require_waiting(packet, decision)
    _require_independent(session, standing, packet, name)
    row = attestations.record(session, packet_id, APPROVAL, envelope, signer)
    _require_new(session, row)
    _follow(session, key, standing, packet, decision, f"the reviewer {name}", name, required)
    return row


def review_here(
    session: Session,
    key: PrivateKey,
    standing: Standing,
    packet_id: str,
    person: Person,
    decision: str,
    reason: str,
    *,
    required: Approvals,
) -> Attestation:
    """The same for somebody who is signed in at the dashboard: the broker signs what they decided, and names them.
    `Conflict` when they have approved it already."""
    packet = _held(session, packet_id)
    _require_waiting(packet, decision)
    said = {"decision": decision, "reason": reason, "by": person.signed, "at": keyring.now(session).isoformat()}
    _decision(said)
    _require_independent(session, standing, packet, person.name)
    if decision == "approve" and person.name in approved_by(session, standing, packet_id):
        raise Conflict(f"{person.name} has approved it already", hint="Another reviewer is to look at it, too.")
    envelope = attest(PacketId(packet_id), REVIEW, said, key).to_bytes()
    row = attestations.record(session, packet_id, REVIEW, envelope, key_id(key.public_key()))
    _follow(session, key, standing, packet, decision, f"{person.signed}: {reason}", person.signed, required)
    return row


def _held(session: Session, packet_id: str) -> Packet:
    lineage.lock(session)  # before the packet's row: a rejection doubts its descendants
    return packets.hold(session, packet_id)


def _require_waiting(packet: Packet, decision: str) -> None:
    """An approval counts also for what is approved: students of the teacher's family may ask for reviewers whom nobody
    else asked for. It changes no state."""
    if packet.state == PacketState.QUARANTINED or (packet.state == PacketState.APPROVED and decision == "approve"):
        return
    raise Conflict(
        f"packet {packet.packet_id} is {packet.state}: it waits for no reviewer",
        hint="Look at what it is now, and why.",
    )


def _follow(
    session: Session,
    key: PrivateKey,
    standing: Standing,
    packet: Packet,
    decision: str,
    told: str,
    by: str,
    required: Approvals,
) -> None:
    """One no rejects; enough approvals approve."""
    if decision == "reject":
        cascade.take_back(session, key, packet, PacketState.REJECTED, reason=f"rejected by {told}", by=by)
        return
    if packet.state == PacketState.APPROVED:
        return
    agreed = approved_by(session, standing, packet.packet_id)
    needed = max(1, required.needed(packet), scans.asked(session, packet.packet_id))
    if len(agreed) >= needed and cascade.doubt(session, packet.packet_id) is None:
        people = "reviewer" if len(agreed) == 1 else "reviewers"
        reason = f"its scan passed, and {len(agreed)} {people} approved it: {', '.join(sorted(agreed))}"
        lifecycle.move(session, key, packet, PacketState.APPROVED, reason=reason, by="reviewers")


def approved_by(session: Session, standing: Standing, packet_id: str) -> set[str]:
    """Reviewers, each once however many keys they had and whether or not at the dashboard, whose approval counts: it
    was given since the packet waits for them, and their key or account does so now."""
    return approvals_of(session, standing, [packet_id])[packet_id]


def approvals_of(session: Session, standing: Standing, packet_ids: Sequence[str]) -> dict[str, set[str]]:
    """The same of many packets, in as many statements."""
    found: dict[str, set[str]] = {each: set() for each in packet_ids}
    given = [(row, _predicate(row)) for row in session.scalars(_since_they_wait(packet_ids))]
    given = [(row, said) for row, said in given if _decision(said) == "approve"]
    if not given:
        return found
    at = keyring.now(session)
    keys = [row.signer for row, _ in given if row.predicate_type == APPROVAL]
    counted = {each.key_id: each for each in holders(session, standing, keys, {Role.REVIEWER})}
    active = accounts.active(session, [_account(said) for row, said in given if row.predicate_type == REVIEW])
    for row, said in given:
        if row.predicate_type == REVIEW and _account(said) in active:
            found[row.packet_id].add(_account(said))
        holder = counted.get(KeyId(row.signer)) if row.predicate_type == APPROVAL else None
        if holder is not None and holder.validity.fault(at) is None:
            found[row.packet_id].add(holder.name)
    return found


def _since_they_wait(packet_ids: Sequence[str]) -> Select[Attestation]:
    """Approvals and rejections behind the statement that made their packet wait; whoever adds statements holds the
    packet, so ids are in order."""
    among = Attestation.packet_id.in_(packet_ids)
    stated = select(Attestation.packet_id, func.max(Attestation.id).label("id")).where(
        among, Attestation.predicate_type == STATE
    )
    last = stated.group_by(Attestation.packet_id).subquery()
    wanted = select(Attestation).outerjoin(last, last.c.packet_id == Attestation.packet_id)
    kinds = Attestation.predicate_type.in_((APPROVAL, REVIEW))
    return wanted.where(among, kinds, Attestation.id > func.coalesce(last.c.id, 0)).order_by(Attestation.id)


def _account(said: Mapping[str, Any]) -> str:
    return str(said["by"]).removesuffix(accounts.SUFFIX)


def _waits_since(session: Session, packet_id: str) -> int:
    """The statement that made it wait; whoever adds statements holds the packet, so ids are in order."""
    last = attestations.latest(session, packet_id, STATE)
    return 0 if last is None else last.id


def _require_new(session: Session, row: Attestation) -> None:
    """A review from before the packet was quarantined again cannot be sent a second time."""
    if row.id < _waits_since(session, row.packet_id):
        raise Conflict("this review is from before the packet was quarantined", hint="Look at it again, sign anew.")


def _require_independent(session: Session, standing: Standing, packet: Packet, name: str) -> None:
    """Nobody reviews what they published or signed, with whichever of their keys, or at the dashboard as the same."""
    involved = {each.key_id for each in packets.signatures(session, [packet.packet_id])[packet.packet_id]}
    people = holders(session, standing, involved | {packet.publisher_key}, set(Role))
    if name in {each.name for each in people} | {packet.publisher}:
        raise Forbidden(f"{name} published or signed this packet: somebody else must review it")


def _decision(predicate: Mapping[str, Any]) -> str:
    decision = predicate.get("decision")
    if decision not in DECISIONS:
        raise SignatureError(f"a review's decision is one of {', '.join(DECISIONS)}")
    return str(decision)


def _predicate(row: Attestation) -> Mapping[str, Any]:
    return Statement.from_bytes(Envelope.from_bytes(row.envelope).payload).predicate
