"""The change feed. An event is written with the change that it tells of, and gets its number after the commit.

Ids from a sequence become visible in another order than they were given out: whoever remembers the largest one that
he saw misses what commits later with a smaller one. So numbers are given out in a transaction of their own, by one at
a time (a lock in the database): number n is visible before n + 1 exists. Whoever reads gives out what waits first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, func, insert, select, text
from sqlalchemy.orm import Session

from broker.models import FeedEvent, Packet
from broker.services.scopes import EVERYWHERE, Scope
from m2kt.errors import FeedGone

PUBLISHED, SIGNED, STATE, CHANNEL, RECALL, OUTCOME = (
    "packet.published",
    "packet.signed",
    "packet.state",
    "channel.moved",
    "recall",
    "packet.outcome",
)
BATCH = 4096
PAGE = 200
BITE = 2000

_LOCK = 0x6D326B74_66656564
_FORGET_LOCK = _LOCK + 1
_NUMBER = text(
    """
    UPDATE feed SET number = :last + waiting.place
    FROM (SELECT id, row_number() OVER (ORDER BY id) AS place
          FROM (SELECT id FROM feed WHERE number IS NULL ORDER BY id LIMIT :batch) AS next) AS waiting
    WHERE feed.id = waiting.id
    """
)


@dataclass(frozen=True)
class Stretch:
    """Events in order, and the number to remember: nothing up to there is missing."""

    events: Sequence[FeedEvent]
    next: int


def note(session: Session, kind: str, packet_id: str, name: str, version: str, **detail: Any) -> None:
    """Have subscribers told; to be called in the transaction that makes it true."""
    note_all(session, [event(kind, packet_id, name, version, **detail)])


def note_all(session: Session, events: Sequence[dict[str, Any]]) -> None:
    """The same for many at once."""
    if events:
        session.execute(insert(FeedEvent), list(events))


def event(kind: str, packet_id: str, name: str, version: str, **detail: Any) -> dict[str, Any]:
    return {"kind": kind, "packet_id": packet_id, "name": name, "version": version, "detail": detail}


def number(session: Session) -> int:
    """Give numbers to what has been committed; returns how many. Nothing when another replica is at it just now."""
    if session.scalar(select(FeedEvent.id).where(FeedEvent.number.is_(None)).limit(1)) is None:
        return 0
    if not session.scalar(select(func.pg_try_advisory_xact_lock(_LOCK))):
        return 0
    # A statement of its own: it sees what the last holder of the lock has committed.
    done = session.execute(_NUMBER, {"last": _last(session), "batch": BATCH})
    return int(done.rowcount)  # type: ignore[attr-defined]  # an UPDATE has one


def read(
    session: Session, after: int | None, scope: Scope = EVERYWHERE, *, name: str | None = None, limit: int = PAGE
) -> Stretch:
    """Events of these projects behind number ``after``, at most ``limit``; without it, none, and the feed's present
    end.

    `FeedGone` for a number whose followers are forgotten, and for one that the feed has never had.
    """
    last = _last(session)
    if after is None:
        return Stretch((), last)
    if after > last:
        raise FeedGone(f"the feed has no event {after}, it ends at {last}: it is another feed, or was restored")
    wanted = select(FeedEvent).where(FeedEvent.number > after, FeedEvent.number <= last)
    if scope != EVERYWHERE:
        theirs = select(Packet.packet_id).where(Packet.packet_id == FeedEvent.packet_id, scope.within(Packet.project))
        wanted = wanted.where(theirs.exists())
    if name is not None:
        wanted = wanted.where(FeedEvent.name == name)
    found = session.scalars(wanted.order_by(FeedEvent.number).limit(limit)).all()
    # Asked last: what is still there now was there when the events were read.
    first = session.scalar(select(func.min(FeedEvent.number))) or 1
    if after < first - 1:
        raise FeedGone(f"the feed begins at event {first} now; what followed event {after} is forgotten")
    return Stretch(found, found[-1].number or last if len(found) == limit else last)


def forget(session: Session, older_than: timedelta) -> int:
    """Drop old events from the beginning on, without gaps; the newest stays, because the next number follows from it.
    Returns how many."""
    if not session.scalar(select(func.pg_try_advisory_xact_lock(_FORGET_LOCK))):
        return 0  # two at once could take a later bite before an earlier one
    fresh = FeedEvent.at >= func.clock_timestamp() - older_than
    kept = session.scalar(select(func.min(FeedEvent.number)).where(FeedEvent.number.is_not(None), fresh))
    border = _last(session) if kept is None else kept
    old = select(FeedEvent.id).where(FeedEvent.number < border).order_by(FeedEvent.number).limit(BITE)
    gone = delete(FeedEvent).where(FeedEvent.id.in_(old.scalar_subquery())).returning(FeedEvent.id)
    return len(session.execute(gone.execution_options(synchronize_session=False)).all())


def _last(session: Session) -> int:
    return session.scalar(select(func.max(FeedEvent.number))) or 0
