"""How fast one caller may go, across all replicas: a leaky bucket (GCRA) whose whole state is one row in Postgres.

It lives where the nonce of the request is burnt, so a broker that cannot count cannot serve either: there is
no server whose absence would open the gate.
"""

from dataclasses import dataclass
from math import ceil

from sqlalchemy import text
from sqlalchemy.orm import Session

from broker.db import Driver

WINDOW_SECONDS = 60

_SPEND = """
    INSERT INTO rate_limits AS held (caller, full_at)
    VALUES (%(caller)s, clock_timestamp() + make_interval(secs => %(step)s))
    ON CONFLICT (caller) DO UPDATE
        SET full_at = greatest(held.full_at, clock_timestamp()) + make_interval(secs => %(step)s)
        WHERE held.full_at <= clock_timestamp() + make_interval(secs => %(room)s)
    RETURNING extract(epoch FROM full_at - clock_timestamp())
"""
_LOOK = "SELECT extract(epoch FROM full_at - clock_timestamp()) FROM rate_limits WHERE caller = %(caller)s"
_FORGET = text("DELETE FROM rate_limits WHERE full_at < clock_timestamp() - interval '1 hour'")


@dataclass(frozen=True)
class Allowance:
    """What a caller has left. ``retry_after`` (seconds) is there when this request was one too many."""

    limit: int
    remaining: int
    reset: int
    """Seconds until all of it is there again."""
    retry_after: int | None = None


def spend(connection: Driver, caller: str, per_minute: int) -> Allowance:
    """Count one request of ``caller``."""
    step = WINDOW_SECONDS / per_minute
    words = {"caller": caller, "step": step, "room": WINDOW_SECONDS - step}
    spent = connection.execute(_SPEND, words).fetchone()
    if spent is None:
        left = float((connection.execute(_LOOK, words).fetchone() or (0,))[0])
        wait = max(1, ceil(left - WINDOW_SECONDS + step))
        return Allowance(per_minute, 0, ceil(max(left, 0)), wait)
    left = float(spent[0])
    return Allowance(per_minute, max(0, int((WINDOW_SECONDS - left) / step)), ceil(max(left, 0)))


def forget(session: Session) -> None:
    """Drop buckets that have long been full."""
    session.execute(_FORGET)
