"""What was said about a packet: the broker's own statements, and the outcomes that students report."""

from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from broker.models import Attestation, Packet, PacketState, Role
from broker.services import keyring, tlog
from broker.services.agents import Standing, trusted
from m2kt.client.predicates import OUTCOME, RECEIPT
from m2kt.errors import NotFound, NotLogged, NotPullable, SignatureError
from m2kt.log.entries import entry_of
from m2kt.packet import PacketId
from m2kt.signing import dsse
from m2kt.signing.keys import KeyId, PrivateKey, key_id
from m2kt.signing.statement import attest, read_attestation


def state(session: Session, key: PrivateKey, packet_id: str, predicate_type: str, predicate: Mapping[str, Any]) -> None:
    """Sign a statement of the broker about a packet; ``at`` is the database's time."""
    at = session.scalars(select(func.clock_timestamp())).one()
    dated = {**predicate, "at": at.isoformat()}
    envelope = attest(PacketId(packet_id), predicate_type, dated, key).to_bytes()
    record(session, packet_id, predicate_type, envelope, key_id(key.public_key()))


def record(session: Session, packet_id: str, predicate_type: str, envelope: bytes, signer: str) -> Attestation:
    """Append an envelope, and log it; the same bytes twice are one row."""
    digest = f"sha256:{sha256(envelope).hexdigest()}"
    row = {
        "packet_id": packet_id,
        "predicate_type": predicate_type,
        "envelope": envelope,
        "digest": digest,
        "signer": signer,
    }
    session.execute(insert(Attestation).values(row).on_conflict_do_nothing())
    tlog.append(session, predicate_type, dsse.Envelope.from_bytes(envelope).pae)
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


def proof_text(session: Session, row: Attestation) -> str | None:
    """The proof that a statement stands in the log, or nothing while it waits."""
    with suppress(NotLogged):
        return tlog.proof(session, entry_of(dsse.Envelope.from_bytes(row.envelope).pae)).to_text()
    return None


def report_outcome(session: Session, standing: Standing, packet: Packet, envelope: bytes) -> Attestation:
    """Keep what a packet did to a student, in the student's own signed words."""
    if packet.state not in (PacketState.APPROVED, PacketState.REVOKED):
        raise NotPullable(f"packet {packet.packet_id} is {packet.state}: no student can have taken it")
    signer, _ = said_by(session, standing, packet, envelope, OUTCOME, Role.STUDENT)
    return record(session, packet.packet_id, OUTCOME, envelope, signer)


def said_by(
    session: Session, standing: Standing, packet: Packet, envelope: bytes, predicate_type: str, *roles: Role
) -> tuple[KeyId, Mapping[str, Any]]:
    """Who of ``roles`` signed a statement about this packet, with a key that counts now, and what it says."""
    claimed = [each.keyid for each in dsse.Envelope.from_bytes(envelope).signatures]
    trust = trusted(session, standing, claimed, roles)
    said = read_attestation(envelope, trust, predicate_type)
    if said.subject != packet.packet_id:
        raise SignatureError("this statement is about another packet")
    return trust.require_valid(said.key_ids, keyring.now(session))[0], said.predicate
