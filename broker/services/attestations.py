"""What was said about a packet: the broker's own statements, and the outcomes that students report."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from broker.models import Attestation, Packet, PacketState, Role
from broker.services.agents import Standing, trusted
from m2kt.client.predicates import OUTCOME, RECEIPT
from m2kt.errors import NotFound, NotPullable, SignatureError
from m2kt.packet import PacketId
from m2kt.signing import dsse
from m2kt.signing.keys import PrivateKey, key_id
from m2kt.signing.statement import attest, read_attestation


def state(session: Session, key: PrivateKey, packet_id: str, predicate_type: str, predicate: Mapping[str, Any]) -> None:
    """Sign a statement of the broker about a packet; ``at`` is the database's time."""
    at = session.scalars(select(func.clock_timestamp())).one()
    dated = {**predicate, "at": at.isoformat()}
    envelope = attest(PacketId(packet_id), predicate_type, dated, key).to_bytes()
    record(session, packet_id, predicate_type, envelope, key_id(key.public_key()))


def record(session: Session, packet_id: str, predicate_type: str, envelope: bytes, signer: str) -> Attestation:
    """Append an envelope; the same bytes twice are one row."""
    digest = f"sha256:{sha256(envelope).hexdigest()}"
    row = {
        "packet_id": packet_id,
        "predicate_type": predicate_type,
        "envelope": envelope,
        "digest": digest,
        "signer": signer,
    }
    session.execute(insert(Attestation).values(row).on_conflict_do_nothing())
    return session.scalars(
        select(Attestation).where(Attestation.packet_id == packet_id, Attestation.digest == digest)
    ).one()


def page(session: Session, packet_id: str, *, after: int, limit: int) -> list[Attestation]:
    """Attestations of a packet, oldest first."""
    wanted = select(Attestation).where(Attestation.packet_id == packet_id, Attestation.id > after)
    return list(session.scalars(wanted.order_by(Attestation.id).limit(limit)))


def latest(session: Session, packet_id: str, predicate_type: str) -> Attestation | None:
    wanted = select(Attestation).where(Attestation.packet_id == packet_id, Attestation.predicate_type == predicate_type)
    return session.scalars(wanted.order_by(Attestation.id.desc()).limit(1)).first()


def receipt(session: Session, packet_id: str) -> Attestation:
    found = latest(session, packet_id, RECEIPT)
    if found is None:
        raise NotFound(f"there is no packet {packet_id}")
    return found


def report_outcome(session: Session, standing: Standing, packet: Packet, envelope: bytes) -> Attestation:
    """Keep what a packet did to a student, in the student's own signed words."""
    if packet.state not in (PacketState.APPROVED, PacketState.REVOKED):
        raise NotPullable(f"packet {packet.packet_id} is {packet.state}: no student can have taken it")
    claimed = [each.keyid for each in dsse.Envelope.from_bytes(envelope).signatures]
    said = read_attestation(envelope, trusted(session, standing, claimed, {Role.STUDENT}), OUTCOME)
    if said.subject != packet.packet_id:
        raise SignatureError("this outcome is about another packet")
    return record(session, packet.packet_id, OUTCOME, envelope, said.key_ids[0])
