"""The transactional outbox: what others must hear is written with what made it true, and told after the commit.

Telling happens at least once: a replica that dies between telling and its commit leaves the row for the next one.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Insert, delete, func, insert, select
from sqlalchemy.orm import Session

from broker.models import Outbox

RING = "ring"
"""A job is due; the body names it."""

Tell = Callable[[Sequence[dict[str, Any]]], None]


def post(session: Session, topic: str, **body: Any) -> None:
    """Have ``body`` told under ``topic`` once this transaction has committed."""
    session.execute(posting(topic, **body))


def posting(topic: str, **body: Any) -> Insert:
    """The statement behind `post`."""
    return insert(Outbox).values(topic=topic, body=body)


def drain(session: Session, tellers: Mapping[str, Tell], limit: int = 200) -> int:
    """Tell the oldest rows of these topics that no other replica is telling just now; returns how many.

    What a teller raises rolls the rows back; so does a crash.
    """
    mine = (
        select(Outbox.id)
        .where(Outbox.topic.in_(tellers))
        .order_by(Outbox.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    taken = session.execute(
        delete(Outbox).where(Outbox.id.in_(mine.scalar_subquery())).returning(Outbox.topic, Outbox.body)
    ).all()
    for topic, tell in tellers.items():
        bodies = [each.body for each in taken if each.topic == topic]
        if bodies:
            tell(bodies)
    return len(taken)


def forget(session: Session, topic: str, older_than: timedelta) -> None:
    """Drop what nobody could be told and nobody needs to hear any more."""
    session.execute(delete(Outbox).where(Outbox.topic == topic, Outbox.created < func.clock_timestamp() - older_than))
