"""One attempt at one job: run it under its lease, then write how it ended."""

import logging
import threading
from typing import Any

from sqlalchemy.orm import Session

from broker.db import transaction
from broker.errors import LeaseLost
from broker.models import JobKind
from broker.services import jobs, scans
from broker.services.jobs import Buried, Claim
from broker.worker.bench import Bench
from broker.worker.kinds import HANDLERS, Done
from broker.worker.lease import End, Lease
from m2kt.errors import ChildFailed, M2KTError, Unavailable

log = logging.getLogger(__name__)


def attempt(bench: Bench, held: Claim, leaving: threading.Event) -> None:
    """Never raises for what the job does; `Unavailable` when the database cannot be told (the sweep will see to it)."""
    log.info("job %s (%s) attempt %d begins", held.id, held.kind, held.attempt)
    with Lease(bench, held, leaving) as lease:
        try:
            done, error = HANDLERS[held.kind](bench, held, lease), None
        except Exception as raised:  # the edge of a job: whatever it dies of is written into its row
            done, error = None, raised
        end = lease.end
    try:
        with transaction(bench.sessions, bench.ring) as session:
            _conclude(session, bench, held, end, done, error)
    except LeaseLost as lost:
        log.info("%s; nothing was written", lost.detail)


def _conclude(
    session: Session, bench: Bench, held: Claim, end: End | None, done: Done | None, error: Exception | None
) -> None:
    if end is End.LOST:
        log.info("job %s was cancelled or taken over; nothing is written", held.id)
    elif end is End.LEAVING:
        jobs.release(session, held)
    elif done is not None:
        jobs.succeed(session, held, _storable(done.result))
        done.effect(session)
    elif isinstance(error, M2KTError) and not _broke(held, error):
        jobs.fail(session, held, _described(error))
    else:
        _retry(session, bench, held, error or AssertionError("a handler returned nothing"))


def _broke(held: Claim, error: M2KTError) -> bool:
    """Whether it might go better next time. A scan that says no has a verdict; one that raises has only broken."""
    return held.kind == JobKind.SCAN or isinstance(error, ChildFailed | Unavailable)


def _retry(session: Session, bench: Bench, held: Claim, error: Exception) -> None:
    if not isinstance(error, M2KTError):
        log.error("job %s attempt %d met a defect", held.id, held.attempt, exc_info=error)
        error = M2KTError(f"{type(error).__name__}: {error}")
    if jobs.retry(session, held, _described(error)):
        bury(session, bench, Buried(held.id, held.kind, held.packet_id), error.detail)


def bury(session: Session, bench: Bench, dead: Buried, why: str) -> None:
    """A packet whose scan is dead says so, and stays where it is."""
    log.warning("job %s (%s) is dead: %s", dead.id, dead.kind, why)
    if dead.kind == JobKind.SCAN and dead.packet_id:
        scans.inconclusive(session, bench.key, dead.packet_id, _line(why))


def _described(error: M2KTError) -> dict[str, Any]:
    found: dict[str, Any] = _storable({"code": error.code, "detail": error.detail, "hint": error.hint})
    return found


def _line(text: str) -> str:
    """One line that a signed statement can hold: its canonical JSON refuses control characters such as NUL."""
    return " ".join(text.replace("\x00", "").split())[:400]


def _storable(value: Any) -> Any:
    """JSONB holds no NUL and no lone surrogate; what a child prints may."""
    if isinstance(value, dict):
        return {_storable(key): _storable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(each) for each in value]
    return value.encode("utf-8", "replace").decode().replace("\x00", "") if isinstance(value, str) else value
