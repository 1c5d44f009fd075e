"""Signed statements about a packet, read for people: each verified anew, with its place in the log.

What somebody changed in the database shows here as a signature that does not verify, and nothing of it is believed.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from broker.models import Attestation, LogLeaf
from broker.services.signers import Known, Signer
from m2kt.client.predicates import APPROVAL, OUTCOME, RECEIPT, REVIEW, SCAN, STATE
from m2kt.errors import M2KTError
from m2kt.log.entries import entry_of
from m2kt.signing import dsse
from m2kt.signing.statement import PAYLOAD_TYPE, Statement

BROKERS_OWN = frozenset({RECEIPT, STATE, SCAN, REVIEW})
"""What only the broker's key may say: an agent's signature on it is no statement of the broker."""

ROLES = {
    **dict.fromkeys(BROKERS_OWN, frozenset({"broker"})),
    APPROVAL: frozenset({"reviewer"}),
    OUTCOME: frozenset({"student"}),
}


@dataclass(frozen=True)
class Said:
    """One statement: ``valid`` when its signature verified just now, by the key on record of one who may say it."""

    id: int
    at: datetime
    predicate_type: str
    signer: Signer
    valid: bool
    predicate: Mapping[str, Any]
    """Empty when it is not valid: nothing of it is to be shown as said."""
    entry: str
    """What stands for it in the log, in hex."""
    index: int | None
    """Where; None while it waits, or when the log has no such entry."""


def read(session: Session, rows: Sequence[Attestation], known: Known) -> list[Said]:
    """The statements of these rows, in their order."""
    found = [(row, *_opened(row, known)) for row in rows]
    places = _places(session, [entry for _, _, _, entry in found])
    return [
        Said(
            row.id,
            row.created,
            row.predicate_type,
            known.signer(row.signer),
            valid,
            said,
            entry.hex(),
            places.get(entry),
        )
        for row, valid, said, entry in found
    ]


def _opened(row: Attestation, known: Known) -> tuple[bool, Mapping[str, Any], bytes]:
    """Whether it holds, what it says, its entry; a row that cannot even be read holds nothing."""
    try:
        envelope = dsse.Envelope.from_bytes(row.envelope)
        entry = entry_of(envelope.pae)
        statement = Statement.from_bytes(dsse.verify(envelope, known.trust(row.signer), PAYLOAD_TYPE).payload)
    except M2KTError:
        return False, {}, b""
    may = known.signer(row.signer).role in ROLES.get(row.predicate_type, {known.signer(row.signer).role})
    about = (statement.predicate_type, statement.subjects[0].digest)
    valid = may and about == (row.predicate_type, row.packet_id)
    return valid, statement.predicate if valid else {}, entry


def _places(session: Session, entries: Sequence[bytes]) -> dict[bytes, int]:
    wanted = select(LogLeaf.entry, LogLeaf.index).where(LogLeaf.entry.in_([each for each in entries if each]))
    return {entry: index for entry, index in session.execute(wanted) if index is not None}


def page(session: Session, packet_id: str, *, before: int | None, limit: int) -> list[Attestation]:
    """Newest first, from the one before ``before``."""
    wanted = select(Attestation).where(Attestation.packet_id == packet_id)
    if before is not None:
        wanted = wanted.where(Attestation.id < before)
    return list(session.scalars(wanted.order_by(Attestation.id.desc()).limit(limit)))


def of_type(session: Session, packet_id: str, types: Collection[str], limit: int) -> list[Attestation]:
    """The newest of some types, newest first."""
    wanted = select(Attestation).where(Attestation.packet_id == packet_id, Attestation.predicate_type.in_(types))
    return list(session.scalars(wanted.order_by(Attestation.id.desc()).limit(limit)))
