"""May I trust this packet? What the provenance page shows, read from signed statements and checked again."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from broker.models import AgentKey, Attestation, Packet, PacketState
from broker.services import attestations, packets
from broker.services.agents import Standing
from m2kt.client.predicates import OUTCOME, SCAN
from m2kt.errors import SignatureError
from m2kt.scan import CHECK_NAMES, Outcome
from m2kt.signing import dsse
from m2kt.signing.keys import PublicKey, TrustStore, key_id, parse_public
from m2kt.signing.statement import PAYLOAD_TYPE, Statement

MAX_STATEMENTS = 500

_WORDS = {
    PacketState.RECEIVED: "Not yet scanned: nobody can pull it.",
    PacketState.SCANNING: "No verdict yet: nobody can pull it.",
    PacketState.QUARANTINED: "Reviewers have not agreed yet: nobody can pull it.",
    PacketState.APPROVED: "Approved: its signature was verified and a scan passed; students may pull it.",
    PacketState.YANKED: "Yanked: its publisher advises against it; who names it exactly still gets it, with a warning.",
    PacketState.EXPIRED: "Expired: its verdict is too old, and nobody can pull it before it is scanned again.",
    PacketState.REJECTED: "Rejected: a check found something wrong; nobody can pull it.",
    PacketState.REVOKED: "Revoked: it was taken back; students that took it should remove it.",
}


@dataclass(frozen=True)
class CheckRow:
    name: str
    version: str
    outcome: str
    evidence: Sequence[str]


@dataclass(frozen=True)
class Signer:
    """A key, and who holds it as far as this broker knows."""

    key_id: str
    name: str
    role: str
    revoked: bool


@dataclass(frozen=True)
class Said:
    """One attestation: ``valid`` when the signature verified just now, with the key that the broker has on record."""

    at: datetime
    predicate_type: str
    signer: Signer
    valid: bool
    predicate: dict[str, Any]


@dataclass(frozen=True)
class Provenance:
    packet: Packet
    verdict: str
    checks: Sequence[CheckRow]
    signers: Sequence[Signer]
    trail: Sequence[Said]
    outcomes: Sequence[Said]


def of_packet(session: Session, packet_id: str, standing: Standing, brokers: Sequence[PublicKey]) -> Provenance:
    """Everything that the page about one packet shows."""
    packet = packets.get(session, packet_id)
    rows = attestations.page(session, packet_id, after=0, limit=MAX_STATEMENTS)
    signatures = packets.signatures(session, [packet_id])[packet_id]
    known = _Known(session, {*(row.signer for row in rows), *(row.key_id for row in signatures)}, standing, brokers)
    trail = [_said(row, known) for row in rows]
    return Provenance(
        packet,
        _WORDS[packet.state],
        _checks(trail),
        [known.signer(each.key_id) for each in signatures],
        trail,
        [each for each in trail if each.predicate_type == OUTCOME],
    )


class _Known:
    """Holders of some keys: the broker, those whom its settings name, and its agents, the revoked ones too."""

    def __init__(self, session: Session, ids: set[str], standing: Standing, brokers: Iterable[PublicKey]) -> None:
        self._found: dict[str, tuple[Signer, PublicKey]] = {}
        for holder in standing.values():
            self._add(holder.key, holder.name, holder.role.value, revoked=holder.validity.revoked is not None)
        for row in session.scalars(select(AgentKey).where(AgentKey.key_id.in_(ids))):
            key = parse_public(row.public_key)
            self._add(key, row.agent.name, row.agent.role.value, revoked=row.revoked is not None)
        for each in brokers:
            self._add(each, "this broker", "broker", revoked=False)

    def _add(self, key: PublicKey, name: str, role: str, *, revoked: bool) -> None:
        self._found[key_id(key)] = Signer(key_id(key), name, role, revoked), key

    def signer(self, key: str) -> Signer:
        return self._found[key][0] if key in self._found else Signer(key, "unknown", "unknown", revoked=False)

    def trust(self, key: str) -> TrustStore:
        """This one key, or nothing."""
        return TrustStore([self._found[key][1]] if key in self._found else [])


def _said(row: Attestation, known: _Known) -> Said:
    """Verified anew: a row that somebody changed in the database shows."""
    envelope = dsse.Envelope.from_bytes(row.envelope)
    statement = Statement.from_bytes(envelope.payload)
    try:
        dsse.verify(envelope, known.trust(row.signer), PAYLOAD_TYPE)
        valid = statement.predicate_type == row.predicate_type and statement.subjects[0].digest == row.packet_id
    except SignatureError:
        valid = False
    return Said(row.created, row.predicate_type, known.signer(row.signer), valid, dict(statement.predicate))


def _checks(trail: Sequence[Said]) -> list[CheckRow]:
    """The latest verdict's checks in their order, and every check that it does not name as not run."""
    verdicts = [each.predicate for each in trail if each.predicate_type == SCAN and each.valid]
    found = {each["name"]: each for each in (verdicts[-1]["checks"] if verdicts else [])}
    missing = {"version": "", "outcome": Outcome.NOT_RUN.value, "evidence": []}
    rows = [(name, found.get(name, missing)) for name in dict.fromkeys((*CHECK_NAMES, *found))]
    return [CheckRow(name, row["version"], row["outcome"], row["evidence"]) for name, row in rows]
