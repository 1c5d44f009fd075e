"""May I trust this packet? What its page shows: the checks that gate pulls, the latest verdict, who signed, what was
said since. Read from signed statements, which are verified again for every look."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from broker.models import Attestation, Packet, PacketState
from broker.services import gate, packets, statements
from broker.services.agents import Standing
from broker.services.gate import GateCheck
from broker.services.signers import Known, Signer
from broker.services.statements import Said
from m2kt.client.predicates import APPROVAL, REVIEW, SCAN
from m2kt.scan import CHECK_NAMES, Outcome
from m2kt.signing.keys import PublicKey

TRAIL = 20
"""Statements of one page of the trail."""
HISTORY = 10
"""Scans and reviews that are shown, the newest."""
MOST_CHECKS, MOST_EVIDENCE = 64, 8

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

_NEXT = {
    Outcome.PASS: "",
    Outcome.SUSPICIOUS: "People decide: look at the evidence, then review the packet.",
    Outcome.FAIL: "Make the packet anew without what the evidence names, and publish it as a new version.",
    Outcome.ERROR: "The check itself broke, so nothing is known: publish the packet again to repeat the scan.",
    Outcome.NOT_RUN: "Nothing is known from it, for the reason given.",
}


@dataclass(frozen=True)
class CheckRow:
    name: str
    version: str
    outcome: str
    evidence: Sequence[str]
    next_step: str


@dataclass(frozen=True)
class Provenance:
    packet: Packet
    verdict: str
    pullable: bool
    gate: Sequence[GateCheck]
    checks: Sequence[CheckRow]
    scans: Sequence[Said]
    reviews: Sequence[Said]
    signers: Sequence[Signer]
    trail: Sequence[Said]
    older: int | None
    """Where the trail goes on."""
    versions: Sequence["Version"] = field(default=())

    @property
    def latest(self) -> Said | None:
        """The scan whose verdict counts: the newest that holds."""
        return next((each for each in self.scans if each.valid), None)


@dataclass(frozen=True)
class Version:
    packet_id: str
    version: str
    state: PacketState


def of_packet(
    session: Session, packet_id: str, standing: Standing, brokers: Sequence[PublicKey], before: int | None = None
) -> Provenance:
    """Everything that the page says about one packet itself; the trail begins before the statement ``before``."""
    packet = packets.get(session, packet_id)
    rows = statements.page(session, packet_id, before=before, limit=TRAIL + 1)
    special = [statements.of_type(session, packet_id, each, HISTORY) for each in ((SCAN,), (APPROVAL, REVIEW))]
    signatures = packets.signatures(session, [packet_id])[packet_id]
    everything = {row.id: row for row in (*rows, *special[0], *special[1])}
    ids = {*(row.signer for row in everything.values()), *(row.key_id for row in signatures)}
    known = Known(session, ids, standing, brokers)
    said = {each.id: each for each in statements.read(session, list(everything.values()), known)}
    found = gate.look(session, packet)
    pullable = all(each.refusal is None for each in found)
    scans, reviews = ([said[row.id] for row in each] for each in special)
    return Provenance(
        packet,
        _sentence(packet, found),
        pullable,
        found,
        checks_of(scans),
        scans,
        reviews,
        [known.signer(each.key_id) for each in signatures],
        [said[row.id] for row in rows[:TRAIL]],
        rows[TRAIL - 1].id if len(rows) > TRAIL else None,
        versions(session, packet.name),
    )


def _sentence(packet: Packet, found: Sequence[GateCheck]) -> str:
    """In words; where the state is good and the gate is shut all the same, the gate is right."""
    refused = next((each for each in found if each.refusal is not None), None)
    if refused is None or packet.state not in (PacketState.APPROVED, PacketState.YANKED):
        return _WORDS[packet.state]
    return f"It is {packet.state}, but nobody can pull it now: {refused.evidence}."


def latest_scan(session: Session, packet_id: str, standing: Standing, brokers: Sequence[PublicKey]) -> Said | None:
    """The newest verdict that holds."""
    rows = statements.of_type(session, packet_id, (SCAN,), HISTORY)
    known = Known(session, {row.signer for row in rows}, standing, brokers)
    return next((each for each in statements.read(session, rows, known) if each.valid), None)


def checks_of(scans: Sequence[Said]) -> list[CheckRow]:
    """The latest verdict's checks in their order, and every check that it does not name as not run."""
    verdict = next((each.predicate for each in scans if each.valid), {})
    listed = [each for each in verdict.get("checks", [])[:MOST_CHECKS] if isinstance(each, dict) and "name" in each]
    found = {str(each["name"]): each for each in listed}
    nothing = ["it waits for a scan"] if not verdict else ["the latest scan does not know this check"]
    return [_row(name, found.get(name, {"evidence": nothing})) for name in dict.fromkeys((*CHECK_NAMES, *found))]


def _row(name: str, told: dict[str, Any]) -> CheckRow:
    """An outcome that nobody knows is none: it was not run."""
    word = told.get("outcome")
    outcome = Outcome(word) if word in set(Outcome) else Outcome.NOT_RUN
    lines = [str(each) for each in told.get("evidence", [])]
    more = [f"and {len(lines) - MOST_EVIDENCE} more"] if len(lines) > MOST_EVIDENCE else []
    return CheckRow(name, str(told.get("version", "")), outcome, lines[:MOST_EVIDENCE] + more, _NEXT[outcome])


def versions(session: Session, name: str, most: int = 100) -> list[Version]:
    """The newest versions of a name, without their manifests."""
    wanted = select(Packet.packet_id, Packet.version, Packet.state).where(Packet.name == name)
    return [Version(*row) for row in session.execute(wanted.order_by(Packet.seq.desc()).limit(most))]


def statement(session: Session, packet_id: str, number: int) -> Attestation | None:
    """One statement's row, if it is about this packet."""
    row = session.get(Attestation, number)
    return row if row is not None and row.packet_id == packet_id else None
