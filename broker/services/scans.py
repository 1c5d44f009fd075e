"""What a scan does to a packet. Only a passed scan approves; a scan that broke decides nothing."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from broker.models import Packet, PacketState
from broker.services import attestations, cascade, keyring, lifecycle, lineage, packets
from broker.services.lineage import FALLEN
from broker.storage import BlobStore
from m2kt.client.predicates import SCAN, SVR
from m2kt.scan import Decision, Outcome, svr
from m2kt.signing.dsse import Envelope
from m2kt.signing.keys import PrivateKey
from m2kt.signing.statement import Statement
from m2kt.signing.validity import time_text

SCANNER = "scan"
VERSIONS = 2
"""Earlier versions that a packet is compared with."""
LIFE = timedelta(days=90)
"""How long a verdict counts, unless the settings say otherwise."""


def begin(session: Session, key: PrivateKey, store: BlobStore, packet_id: str) -> bytes | None:
    """Mark a packet as being scanned and return its bytes; nothing when it is decided for good (revoked meanwhile).

    One that was decided before keeps its state while it is scanned again."""
    packet = packets.hold(session, packet_id)
    if packet.state == PacketState.RECEIVED:
        lifecycle.move(session, key, packet, PacketState.SCANNING, reason="its scan has begun", by=SCANNER)
    if packet.state in FALLEN:
        return None
    return b"".join(store.read(session, packet.content_sha256, 0, packet.size))


def conclude(
    session: Session,
    key: PrivateKey,
    packet_id: str,
    verdict: dict[str, Any],
    *,
    approvals: int = 0,
    life: timedelta = LIFE,
) -> None:
    """Sign the verdict (and, when it passed, what passed in in-toto's words) and decide: approved for as long as the
    verdict counts, or rejected for what was found in the packet itself. Where ``approvals`` of reviewers are needed, a
    packet that passed waits for them."""
    if not verdict["passed"]:
        lineage.lock(session)  # before the packet's row: its descendants may be doubted with it
    packet = packets.hold(session, packet_id)
    if verdict["passed"]:
        packet.good_until = (keyring.now(session) + life).replace(microsecond=0)  # as the statement has it
        verdict = {**verdict, "expires": time_text(packet.good_until)}
        session.flush()
    attestations.state(session, key, packet_id, SCAN, verdict)
    if packet.state in FALLEN:
        return
    if verdict["passed"]:
        result = svr.predicate(verdict, keyring.now(session), verdict["expires"])
        attestations.state(session, key, packet_id, SVR, result)
        _pass(session, key, packet, _grounds(verdict), _reviewers(verdict, approvals))
    else:
        failed = [each["name"] for each in verdict["checks"] if each["outcome"] == Outcome.FAIL]
        reason = f"failed: {', '.join(failed)}"
        cascade.take_back(session, key, packet, PacketState.REJECTED, reason=reason, by=SCANNER)


def _reviewers(verdict: dict[str, Any], approvals: int) -> int:
    """How many have to agree: a suspicion asks for one where nothing else does."""
    return max(approvals, 1, _asked(verdict)) if verdict.get("decision") == Decision.REVIEW else approvals


def asked(session: Session, packet_id: str) -> int:
    """How many reviewers the tier that decided about a packet asks for, by its last verdict; one that broke is none."""
    for row in attestations.all_of(session, packet_id, SCAN):
        said = Statement.from_bytes(Envelope.from_bytes(row.envelope).payload).predicate
        if "inconclusive" not in said:
            return _asked(said)
    return 0


def _asked(verdict: Mapping[str, Any]) -> int:
    return int(verdict.get("approvals", {}).get(verdict.get("tier"), 0))


def _grounds(verdict: dict[str, Any]) -> str:
    every = f"all {len(verdict['checks'])} checks were run or did not apply, and none failed"
    return str(verdict["reason"]) if verdict.get("decision") == Decision.REVIEW else every


def _pass(session: Session, key: PrivateKey, packet: Packet, grounds: str, approvals: int) -> None:
    """A first verdict decides; a later one brings back what had expired, and leaves everything else as it is."""
    doubt = cascade.doubt(session, packet.packet_id)
    if packet.state == PacketState.EXPIRED and doubt is None:
        lifecycle.move(
            session, key, packet, PacketState.APPROVED, reason="it was scanned again, and no check failed", by=SCANNER
        )
    if packet.state != PacketState.SCANNING:
        return
    if doubt is not None:
        lifecycle.move(session, key, packet, PacketState.QUARANTINED, reason=doubt, by=SCANNER)
        cascade.settled(session, packet.packet_id)
    elif approvals:
        reason = f"its scan: {grounds}; {approvals} reviewers have to approve it"
        lifecycle.move(session, key, packet, PacketState.QUARANTINED, reason=reason, by=SCANNER)
    else:
        lifecycle.move(session, key, packet, PacketState.APPROVED, reason=grounds, by=SCANNER)


def inconclusive(session: Session, key: PrivateKey, packet_id: str, why: str) -> None:
    """The scan ended without a verdict for good: the packet stays where it is, unpullable, and says why."""
    packet = packets.hold(session, packet_id)
    attestations.state(session, key, packet_id, SCAN, {"passed": False, "checks": [], "inconclusive": why})
    if packet.state in (PacketState.RECEIVED, PacketState.SCANNING):
        _explain(session, packet, f"its scan was inconclusive: {why}; publish it again to repeat the scan")


def _explain(session: Session, packet: Packet, reason: str) -> None:
    packet.reason = reason
    session.flush()


def compared_with(session: Session, packet: Packet) -> list[Packet]:
    """What the scan holds a packet against: its two latest approved versions, and the latest of another teacher of its
    domain. All in its own project: a finding tells what a reference says."""
    trusted = (
        select(Packet)
        .where(Packet.state == PacketState.APPROVED, Packet.kind == packet.kind, Packet.project == packet.project)
        .where(Packet.packet_id != packet.packet_id)
        .order_by(Packet.seq.desc())
    )
    earlier = session.scalars(trusted.where(Packet.name == packet.name).limit(VERSIONS)).all()
    weights = Packet.teacher["weights_sha256"].astext
    others = trusted.where(Packet.domain == packet.domain, Packet.name != packet.name)
    another = session.scalars(others.where(weights != packet.teacher["weights_sha256"]).limit(1)).all()
    return [*earlier, *another]
