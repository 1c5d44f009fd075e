"""One attempt at one job: run it under its lease, then write how it ended."""

import logging
import threading
import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select
from sqlalchemy.orm import Session

from broker.db import transaction
from broker.models import Job, JobKind
from broker.services import jobs
from broker.services.jobs import Buried, Claim
from broker.worker.bench import Bench
from broker.worker.children import Done, files
from broker.worker.kinds import HANDLERS
from broker.worker.lease import End, Lease
from broker.worker.tidy import remove
from broker.worker.upkeep import bury
from m2kt.errors import (
    ChildFailed,
    DatabaseAway,
    DiskFull,
    LeaseLost,
    M2KTError,
    ProgramMissing,
    TimeLimit,
    Unavailable,
)

HANDFUL = 32
PAUSING = Job.spec.has_key("seconds")
"""No-ops that take their time, and so need a lease of their own."""

UNKNOWN_SECONDS = 5.0
LACK_SECONDS = 30.0
"""Until a job for which this worker lacks disk space or the program is due again; another may take it then."""

AWAY_SECONDS = 1.0
"""The same for a job whose own step found the database away. None of this is the job's fault, so it does not count."""

AGAIN_SECONDS = 0.2
"""Between two tries to write how a job ended, while the database is away and the lease still ours."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ended:
    """How an attempt ended: one of the three says so."""

    end: End | None
    done: Done | None
    error: Exception | None


def attempt(bench: Bench, held: Claim, leaving: threading.Event) -> None:
    """Never raises for what the job does; `Unavailable` when the database cannot be told (the sweep will see to it)."""
    log.info("job %s (%s) attempt %d begins", held.id, held.kind, held.attempt)
    handler = HANDLERS.get(held.kind)
    if handler is None:
        return _give_back(bench, held)
    with Lease(bench, held, leaving) as lease:
        try:
            done, error = handler(bench, held, lease), None
        except Exception as raised:  # the edge of a job: whatever it dies of is written into its row
            done, error = None, raised
        ended = Ended(lease.end, done, error)
    _write(bench, held, lease, ended)
    if done is None or ended.end is not None:
        for each in files(bench, held):
            remove(each)


def at_once(bench: Bench) -> int:
    """Do the no-ops that wait for nothing, by the handful: claim and finish are one transaction, so there is nothing
    in between to renew, cancel or lose. Returns how many there were, at most `HANDFUL`."""
    with transaction(bench.sessions, bench.ring) as session:
        due = jobs.due_jobs([JobKind.NOOP], bench.options.offer).where(~PAUSING)
        taken = jobs.claim_some(session, bench.owner, bench.settings.lease_seconds, due, HANDFUL)
        if taken:
            jobs.succeed_all(session, [(held, {"echo": held.spec}) for held in taken])
    return len(taken)


def one(bench: Bench, due: Select[Any], leaving: threading.Event) -> int:
    """Take the first of these jobs and see it through; returns how many there were, 0 or 1."""
    with transaction(bench.sessions) as session:
        taken = jobs.claim_some(session, bench.owner, bench.settings.lease_seconds, due, 1)
    for held in taken:
        attempt(bench, held, leaving)
    return len(taken)


def _give_back(bench: Bench, held: Claim) -> None:
    """A kind that only another version knows is that version's to do."""
    with transaction(bench.sessions, bench.ring) as session:
        jobs.release(session, held, seconds=UNKNOWN_SECONDS, why=f"this worker knows no jobs of kind {held.kind}")


def _write(bench: Bench, held: Claim, lease: Lease, ended: Ended) -> None:
    """Write the end, and try again as long as the lease is ours: a database that restarts costs no finished job."""
    while True:
        try:
            with transaction(bench.sessions, bench.ring) as session:
                _conclude(session, bench, held, ended)
                lease.leave_trail(session)
            return
        except LeaseLost as lost:
            return log.info("%s; nothing was written", lost.detail)
        except Unavailable:
            if time.monotonic() > lease.expires:
                raise
            time.sleep(AGAIN_SECONDS)
        except M2KTError as error:
            if ended.done is None:
                raise
            ended = Ended(ended.end, None, error)  # its effect was refused, a packet whose name is taken for example


def _conclude(session: Session, bench: Bench, held: Claim, ended: Ended) -> None:
    if ended.end is End.LOST:
        raise LeaseLost(f"job {held.id} was cancelled or taken over")
    if ended.end is End.LEAVING:
        jobs.release(session, held)
    elif ended.done is not None:
        jobs.succeed(session, held, _storable(ended.done.result))
        ended.done.effect(session)
    elif isinstance(ended.error, DiskFull | ProgramMissing | DatabaseAway):
        log.error("job %s waits: %s", held.id, ended.error.detail)
        seconds = AWAY_SECONDS if isinstance(ended.error, DatabaseAway) else LACK_SECONDS
        jobs.release(session, held, seconds=seconds, why=_storable(ended.error.detail))
    elif isinstance(ended.error, M2KTError) and not _broke(held, ended.error):
        jobs.fail(session, held, _described(ended.error))
    else:
        _retry(session, bench, held, ended.error or AssertionError("a handler returned nothing"))


def _broke(held: Claim, error: M2KTError) -> bool:
    """Whether it might go better next time. A scan that says no has a verdict; one that raises has only broken."""
    if held.kind == JobKind.SCAN:
        return True
    return isinstance(error, ChildFailed | Unavailable) and not isinstance(error, TimeLimit)


def _retry(session: Session, bench: Bench, held: Claim, error: Exception) -> None:
    if not isinstance(error, M2KTError):
        log.error("job %s attempt %d met a defect", held.id, held.attempt, exc_info=error)
        error = M2KTError(f"{type(error).__name__}: {error}")
    if jobs.retry(session, held, _described(error)):
        bury(session, bench.key, Buried(held.id, held.kind, held.packet_id), error.detail)


def _described(error: M2KTError) -> dict[str, Any]:
    found: dict[str, Any] = _storable({"code": error.code, "detail": error.detail, "hint": error.hint})
    return found


def _storable(value: Any) -> Any:
    """JSONB holds no NUL and no lone surrogate; what a child prints may."""
    if isinstance(value, dict):
        return {_storable(key): _storable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(each) for each in value]
    return value.encode("utf-8", "replace").decode().replace("\x00", "") if isinstance(value, str) else value
