"""What was said about a packet: the broker's own statements, and the outcomes that students report."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from broker.models import Attestation, Packet, Role
from broker.services import keyring, tlog
from broker.services.agents import Standing, trusted
from m2kt.client.predicates import RECEIPT
from m2kt.errors import NotFound, SignatureError
from m2kt.packet import PacketId
from m2kt.signing import dsse
from m2kt.signing.keys import KeyId, PrivateKey, key_id
from m2kt.signing.statement import attest, read_attestation


def state(session: Session, key: PrivateKey, packet_id: str, predicate_type: str, predicate: Mapping[str, Any]) -> None:
    """Sign a statement of the broker about a packet; ``at`` is the database's time."""
    state_all(session, key, predicate_type, {packet_id: predicate})


def state_all(session: Session, key: PrivateKey, predicate_type: str, about: Mapping[str, Mapping[str, Any]]) -> None:
    """The same about many packets, by packet id; the caller holds their rows. Appended and logged in that order."""
    at = keyring.now(session).isoformat()
    signer = key_id(key.public_key())
    envelopes = [
        (each, attest(PacketId(each), predicate_type, {**predicate, "at": at}, key))
        for each, predicate in about.items()
    ]
    rows = [_row(each, predicate_type, envelope.to_bytes(), signer) for each, envelope in envelopes]
    if rows:
        session.execute(insert(Attestation).on_conflict_do_nothing(), rows)
        tlog.append_all(session, predicate_type, [envelope.pae for _, envelope in envelopes])


def record(session: Session, packet_id: str, predicate_type: str, envelope: bytes, signer: str) -> Attestation:
    """Append an envelope, and log it; the same bytes twice are one row."""
    row = _row(packet_id, predicate_type, envelope, signer)
    session.execute(insert(Attestation).values(row).on_conflict_do_nothing())
    tlog.append(session, predicate_type, dsse.Envelope.from_bytes(envelope).pae)
    return session.scalars(
        select(Attestation).where(Attestation.packet_id == packet_id, Attestation.digest == row["digest"])
    ).one()


def _row(packet_id: str, predicate_type: str, envelope: bytes, signer: str) -> dict[str, Any]:
    return {
        "packet_id": packet_id,
        "predicate_type": predicate_type,
        "envelope": envelope,
        "digest": f"sha256:{sha256(envelope).hexdigest()}",
        "signer": signer,
    }


def page(session: Session, packet_id: str, *, after: int, limit: int) -> list[Attestation]:
    """Attestations of a packet, oldest first."""
    wanted = select(Attestation).where(Attestation.packet_id == packet_id, Attestation.id > after)
    return list(session.scalars(wanted.order_by(Attestation.id).limit(limit)))


def latest(session: Session, packet_id: str, predicate_type: str) -> Attestation | None:
    return next(iter(all_of(session, packet_id, predicate_type, limit=1)), None)


def all_of(session: Session, packet_id: str, predicate_type: str, limit: int | None = None) -> Sequence[Attestation]:
    """What was said about a packet in statements of one type, the latest first."""
    wanted = select(Attestation).where(Attestation.packet_id == packet_id, Attestation.predicate_type == predicate_type)
    return session.scalars(wanted.order_by(Attestation.id.desc()).limit(limit)).all()


def receipt(session: Session, packet_id: str) -> Attestation:
    found = latest(session, packet_id, RECEIPT)
    if found is None:
        raise NotFound(f"there is no packet {packet_id}")
    return found


def proof_text(session: Session, row: Attestation) -> str | None:
    """The proof that a statement stands in the log, or nothing while it waits."""
    return tlog.proof_of(session, row.envelope)


def said_by(
    session: Session, standing: Standing, packet: Packet, envelope: bytes, predicate_type: str, *roles: Role
) -> tuple[KeyId, Mapping[str, Any]]:
    """Who of ``roles`` signed a statement about this packet, with a key that counts now, and what it says."""
    claimed = [each.keyid for each in dsse.Envelope.from_bytes(envelope).signatures]
    trust = trusted(session, standing, claimed, roles, packet.project)
    said = read_attestation(envelope, trust, predicate_type)
    if said.subject != packet.packet_id:
        raise SignatureError("this statement is about another packet")
    return trust.require_valid(said.key_ids, keyring.now(session))[0], said.predicate
