"""Who may have a packet's bytes: by role, and for what was published in an exchange by being its peer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import namedtuple_row
from sqlalchemy.orm import Session

from broker.db import Driver
from broker.models import PacketState, Role
from broker.services import exchanges, gate
from broker.services.agents import Principal
from broker.services.gate import Signed
from m2kt.errors import Forbidden, NotFound
from m2kt.packet import PacketKind
from m2kt.signing.validity import Validity

PULLING = frozenset({Role.STUDENT, Role.WORKER, Role.AUDITOR, Role.ADMIN})
ASKING = PULLING | exchanges.JOINING
"""The others among them get what was published in exchanges of theirs, and nothing else."""


_LOOK = """
    SELECT p.packet_id, p.kind, p.project, p.state, p.reason, p.good_until, p.size, p.content_sha256,
        clock_timestamp() AS now, (SELECT reason FROM restatements WHERE packet_id = p.packet_id) AS due,
        EXISTS (SELECT FROM pulls WHERE packet_id = p.packet_id AND agent = %(agent)s
            AND day = (clock_timestamp() AT TIME ZONE 'UTC')::date) AS noted,
        s.key_id, s.created AS signed, k.id AS known, k.not_before, k.not_after, k.revoked
    FROM packets p LEFT JOIN packet_signatures s USING (packet_id) LEFT JOIN agent_keys k ON k.key_id = s.key_id
    WHERE p.packet_id = %(packet_id)s ORDER BY s.created, s.key_id
"""


Look = Sequence[Any]
"""A row for each signature of a packet, at least one."""


@dataclass(frozen=True)
class Pullable:
    """A packet whose bytes may leave now, to the one who asked."""

    packet_id: str
    kind: str
    project: str
    state: PacketState
    reason: str | None
    good_until: datetime | None
    size: int
    content_sha256: str
    noted: bool
    """Whether it is on record that the one who asked had it today."""


def look(connection: Driver, packet_id: str, by: Principal) -> Look:
    """All that decides, read in one statement."""
    rows = (
        connection.cursor(row_factory=namedtuple_row)
        .execute(_LOOK, {"packet_id": packet_id, "agent": by.name})
        .fetchall()
    )
    if not rows:
        raise NotFound(f"there is no packet {packet_id}")
    return rows


def pullable_by(session: Session, rows: Look, by: Principal) -> Pullable:
    """The packet that was looked at, which a scan has approved, which nobody has revoked, and which ``by`` may have."""
    first = rows[0]
    packet = Pullable(
        first.packet_id,
        first.kind,
        first.project,
        PacketState(first.state),
        first.reason,
        first.good_until,
        first.size,
        first.content_sha256,
        first.noted,
    )
    if packet.kind == PacketKind.EXCHANGE:
        _require_peer(session, packet.packet_id, by)
    elif by.role not in PULLING:
        raise _refusal(by)
    if not by.scope.has(packet.project):
        raise NotFound(f"there is no packet {packet.packet_id}")
    signed = tuple(Signed(each.key_id, each.signed, _validity(each)) for each in rows if each.key_id)
    gate.refuse(gate.judge(packet, first.now, first.due, signed))
    return packet


def _validity(row: Any) -> Validity | None:
    """None for a key whose holder the settings name."""
    return Validity(row.not_before, row.not_after, row.revoked) if row.known else None


def _require_peer(session: Session, packet_id: str, by: Principal) -> None:
    found = exchanges.exchange_of(session, packet_id)
    if found is not None:
        exchanges.require_reader(session, found, by)
    elif by.role not in exchanges.READING:  # of no exchange that is known: nobody's to read
        raise _refusal(by)


def _refusal(by: Principal) -> Forbidden:
    return Forbidden(f"{by.name} has the role {by.role}: a {by.role} pulls what peers of its own exchanges published")
