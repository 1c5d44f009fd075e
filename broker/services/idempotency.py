"""Idempotency-Key: the same request gets the same answer, and the same key never stands for two requests.

Only successes are kept: an error changed nothing, so the request may be sent again. The lock is the transaction's, so
a twin that comes meanwhile waits, and then finds the answer.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from broker.models import IdempotencyKey
from m2kt.errors import KeyReused

BITE = 1000


@dataclass(frozen=True)
class Answer:
    status: int
    body: dict[str, Any]


def find(session: Session, owner: str, key: str, fingerprint: str) -> Answer | None:
    """The answer that this key got before; `KeyReused` when it stood for another request."""
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"idempotency:{owner}:{key}", 0))))
    row = session.get(IdempotencyKey, (owner, key))
    if row is None:
        return None
    if row.fingerprint != fingerprint:
        raise KeyReused("this Idempotency-Key was used for another request")
    return Answer(row.status, row.answer)


def keep(session: Session, owner: str, key: str, fingerprint: str, answer: Answer) -> None:
    """Remember an answer with what it answers; in the transaction that makes it true."""
    row = {"owner": owner, "key": key, "fingerprint": fingerprint, "status": answer.status, "answer": answer.body}
    session.execute(insert(IdempotencyKey).values(row))


def forget(session: Session, older_than: timedelta) -> None:
    """Drop what is older, in bites."""
    old = select(IdempotencyKey.owner, IdempotencyKey.key).where(
        IdempotencyKey.created < func.clock_timestamp() - older_than
    )
    mine = old.limit(BITE).with_for_update(skip_locked=True).subquery()
    session.execute(
        delete(IdempotencyKey)
        .where(IdempotencyKey.owner == mine.c.owner, IdempotencyKey.key == mine.c.key)
        .execution_options(synchronize_session=False)
    )
