"""When a packet is taken back, what was made of it is quarantined, all of it, whatever happens.

In the transaction that takes a packet back, every descendant gets a row that forbids pulling and approving it; that is
one statement, however many there are. The signed statements follow: the first hundreds in the same transaction, the
rest in batches by whichever replica comes by. A row stays until its statement is there, so none can be lost.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import delete, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from broker.models import Packet, PacketState, Restatement
from broker.services import feed, lifecycle, lineage, recalls
from broker.services.lineage import FALLEN
from m2kt.signing.keys import PrivateKey

AT_ONCE = 512
"""Descendants whose new state is signed in the transaction that takes their ancestor back. Until it commits, nobody
refuses anything: it must not take long."""

LINEAGE = "lineage"
"""Who moves them."""

_UNDECIDED = (PacketState.RECEIVED, PacketState.SCANNING)


def take_back(session: Session, key: PrivateKey, packet: Packet, to: PacketState, *, reason: str, by: str) -> None:
    """Revoke or reject a packet, and doubt what was made of it. The caller holds `lineage.lock`, then its row."""
    lifecycle.move(session, key, packet, to, reason=reason, by=by)
    told = f"its ancestor {packet.name}@{packet.version} ({packet.packet_id}) was {to}: {reason}"
    below = lineage.family(packet.packet_id)
    doubted = select(Packet.packet_id, literal(packet.packet_id), literal(told)).where(
        Packet.packet_id.in_(below), Packet.packet_id != packet.packet_id, Packet.state.not_in(FALLEN)
    )
    columns = ["packet_id", "cause", "reason"]
    session.execute(insert(Restatement).from_select(columns, doubted).on_conflict_do_nothing())
    _tell(session, [packet], {packet.packet_id: packet.packet_id})
    settle(session, key, AT_ONCE)


def settle(session: Session, key: PrivateKey, limit: int) -> int:
    """Sign the new states of doubted packets, and take their rows away; returns how many. What has no verdict yet
    waits for it (`doubt`), what somebody else holds just now for the next time."""
    due = (
        select(Packet, Restatement)
        .join(Restatement, Restatement.packet_id == Packet.packet_id)
        .where(Packet.state.not_in(_UNDECIDED))
        .order_by(Restatement.created, Packet.packet_id)
        .limit(limit)
        .with_for_update(skip_locked=True, key_share=True)
        .execution_options(populate_existing=True)
    )
    rows = session.execute(due).all()
    packets = [row[0] for row in rows if row[0].state not in FALLEN]
    reasons = {row[0].packet_id: row[1].reason for row in rows}
    causes = {row[0].packet_id: row[1].cause for row in rows}
    lifecycle.move_all(session, key, packets, PacketState.QUARANTINED, reasons=reasons, by=LINEAGE)
    _tell(session, packets, causes)
    gone = delete(Restatement).where(Restatement.packet_id.in_(causes))
    session.execute(gone.execution_options(synchronize_session=False))
    return len(rows)


def doubt(session: Session, packet_id: str) -> str | None:
    """Why this packet must not be approved without reviewers, if so."""
    return session.scalar(select(Restatement.reason).where(Restatement.packet_id == packet_id))


def settled(session: Session, packet_id: str) -> None:
    """The doubt about this packet has led to a state: its row goes."""
    gone = delete(Restatement).where(Restatement.packet_id == packet_id)
    session.execute(gone.execution_options(synchronize_session=False))


def _tell(session: Session, packets: Sequence[Packet], causes: Mapping[str, str]) -> None:
    """Subscribers hear of packets that students have and should put away; which students, only `recalls` says."""
    having = recalls.holders(session, [each.packet_id for each in packets])
    events = [
        feed.event(feed.RECALL, each.packet_id, each.name, each.version, **_recall(each, having, causes))
        for each in packets
        if having[each.packet_id]
    ]
    feed.note_all(session, events)


def _recall(packet: Packet, having: Mapping[str, int], causes: Mapping[str, str]) -> dict[str, str | int]:
    told: dict[str, str | int] = {"state": packet.state.value, "reason": packet.reason or ""}
    return {**told, "students": having[packet.packet_id], "cause": causes[packet.packet_id]}
