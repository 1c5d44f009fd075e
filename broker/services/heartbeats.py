"""Heartbeats: one statement that refreshes the session and its leases, and reads the orders. It brings nothing back:
neither a session that another one followed, nor a lease that ran out, nor an agent that was revoked."""

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from broker.services import leases, trail
from broker.services.agents import Principal
from broker.services.leases import Held, Lost, owner
from broker.services.recalls import RECALLED
from m2kt.errors import SessionEnded, SessionRequired

_BEAT = text(
    """
    WITH me AS (
        UPDATE agent_sessions s SET seen = clock_timestamp() FROM agents a
        WHERE s.agent_id = :agent AND s.session = :session AND s.closed IS NULL
            AND a.id = s.agent_id AND a.revoked_at IS NULL
        RETURNING s.epoch, a.draining
    ), held AS (
        SELECT job, fence, progress FROM jsonb_to_recordset(:held) AS h (job uuid, fence bigint, progress jsonb)
    ), kept AS (
        UPDATE jobs j SET lease_until = clock_timestamp() + make_interval(secs => :lease),
            progress = COALESCE(held.progress, j.progress)
        FROM held, me
        WHERE j.id = held.job AND j.fence = held.fence AND j.state = 'running' AND j.lease_owner = :owner
            AND j.lease_until > clock_timestamp()
        RETURNING j.id, j.attempt
    )
    SELECT clock_timestamp() AS now, me.epoch, me.draining,
        (SELECT jsonb_object_agg(id, attempt) FROM kept) AS kept,
        (SELECT jsonb_object_agg(p.packet_id, COALESCE(r.reason, p.reason, ''))
            FROM activations v JOIN packets p USING (packet_id) LEFT JOIN restatements r USING (packet_id)
            WHERE v.agent_id = :agent AND v.active
            AND (p.state = ANY(:recalled) OR r.packet_id IS NOT NULL)) AS recalls
    FROM me
    """
).bindparams(bindparam("held", type_=JSONB))


@dataclass(frozen=True)
class Beat:
    """What the broker says to a heartbeat."""

    now: datetime
    epoch: int
    draining: datetime | None
    lost: list[Lost]
    recalls: dict[str, str]
    """Packets that the student has in force and that were taken back, each with the reason: what `recalls.for_agent`
    says of it."""


def beat(session: Session, agent: Principal, held: Collection[Held], lease_seconds: float) -> Beat:
    """Refresh the caller's session and what it holds; `SessionEnded` when there is nothing to refresh."""
    if agent.session is None or agent.agent_id is None:
        raise SessionRequired("a heartbeat is a session's", hint="Open one first: POST /v1/session.")
    told = [{"job": str(each.job), "fence": each.fence, "progress": each.progress} for each in held]
    row = session.execute(
        _BEAT,
        {
            "agent": agent.agent_id,
            "session": agent.session,
            "held": told,
            "owner": owner(agent, agent.session),
            "lease": lease_seconds,
            "recalled": sorted(RECALLED),
        },
    ).one_or_none()
    if row is None:
        raise SessionEnded(f"this session of {agent.name} has ended", hint="Start the agent again: it opens a new one.")
    kept = {uuid.UUID(name): int(attempt) for name, attempt in (row.kept or {}).items()}
    _keep_logs(session, held, kept)
    lost = [Lost(each.job, leases.reason(session, each)) for each in held if each.job not in kept]
    return Beat(row.now, row.epoch, row.draining, lost, row.recalls or {})


def _keep_logs(session: Session, held: Collection[Held], kept: dict[uuid.UUID, int]) -> None:
    for each in held:
        if each.log and each.job in kept:
            trail.keep_log(session, each.job, kept[each.job], each.log.encode())
