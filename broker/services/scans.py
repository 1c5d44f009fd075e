"""What a scan does to a packet. Only a passed scan approves; a scan that broke decides nothing."""

from typing import Any

from sqlalchemy.orm import Session

from broker.models import Packet, PacketState
from broker.services import attestations, lifecycle, packets
from broker.storage import BlobStore
from m2kt.client.predicates import SCAN
from m2kt.scan import Outcome
from m2kt.signing.keys import PrivateKey

SCANNER = "scan"


def begin(session: Session, key: PrivateKey, store: BlobStore, packet_id: str) -> bytes | None:
    """Mark a packet as being scanned and return its bytes; nothing when it is decided already (revoked meanwhile)."""
    packet = packets.hold(session, packet_id)
    if packet.state == PacketState.RECEIVED:
        lifecycle.move(session, key, packet, PacketState.SCANNING, reason="its scan has begun", by=SCANNER)
    if packet.state != PacketState.SCANNING:
        return None
    return b"".join(store.read(session, packet.content_sha256, 0, packet.size))


def conclude(session: Session, key: PrivateKey, packet_id: str, verdict: dict[str, Any], *, approvals: int = 0) -> None:
    """Sign the verdict and decide: approved, or rejected for what was found in the packet itself. Where ``approvals``
    of reviewers are needed, a packet that passed waits for them."""
    packet = packets.hold(session, packet_id)
    attestations.state(session, key, packet_id, SCAN, verdict)
    if packet.state != PacketState.SCANNING:
        return
    failed = [each["name"] for each in verdict["checks"] if each["outcome"] == Outcome.FAIL]
    if verdict["passed"] and approvals:
        reason, to = f"its scan passed; {approvals} reviewers have to approve it", PacketState.QUARANTINED
    elif verdict["passed"]:
        reason, to = (
            f"all {len(verdict['checks'])} checks were run or did not apply, and none failed",
            PacketState.APPROVED,
        )
    else:
        reason, to = f"failed: {', '.join(failed)}", PacketState.REJECTED
    lifecycle.move(session, key, packet, to, reason=reason, by=SCANNER)


def inconclusive(session: Session, key: PrivateKey, packet_id: str, why: str) -> None:
    """The scan ended without a verdict for good: the packet stays where it is, unpullable, and says why."""
    packet = packets.hold(session, packet_id)
    attestations.state(session, key, packet_id, SCAN, {"passed": False, "checks": [], "inconclusive": why})
    if packet.state in (PacketState.RECEIVED, PacketState.SCANNING):
        _explain(session, packet, f"its scan was inconclusive: {why}; publish it again to repeat the scan")


def _explain(session: Session, packet: Packet, reason: str) -> None:
    packet.reason = reason
    session.flush()
