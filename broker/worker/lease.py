"""Holding a job while it runs: renewal beside the work, and the end of its child when the job is lost."""

import logging
import threading
import time
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from broker.db import transaction
from broker.services import jobs, trail
from broker.services.jobs import Claim
from broker.worker.bench import Bench
from m2kt.agent.child import Progress
from m2kt.agent.guard import End, Guard
from m2kt.errors import LeaseLost, Unavailable

BEAT_SECONDS = 1.0
"""How soon a cancel is noticed."""

LOG_SECONDS = 5.0
"""Between two looks at a growing log."""

DRAIN_SECONDS = 3.0
"""What a running job gets to finish in when the worker leaves."""

log = logging.getLogger(__name__)


class Lease:
    """Renews in a thread of its own, with a connection of its own, until the ``with`` block ends."""

    def __init__(self, bench: Bench, held: Claim, leaving: threading.Event) -> None:
        self._bench, self._held, self._leaving = bench, held, leaving
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=f"lease-{held.id}", daemon=True)
        self._reported = 0.0
        self._log: Path | None = None
        self._log_size, self._log_read = 0, 0.0
        self._remarks: list[tuple[str, dict[str, Any]]] = []
        self.expires = time.monotonic() + bench.settings.lease_seconds
        """By our own clock, a little later than the database has it: only it decides, this is when to stop asking."""
        self._guard = Guard(bench.settings.lease_seconds + BEAT_SECONDS)
        self.lifeline = self._guard.lifeline

    def __enter__(self) -> "Lease":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    @property
    def end(self) -> End | None:
        return self._guard.end

    def guard(self, group: int, log: Path | None = None) -> None:
        """End this process group if the job must stop; keep the end of its log in the ledger."""
        self._log = log
        self._guard.watch(group)

    def release(self) -> None:
        """The group has ended; its number may soon be somebody else's."""
        self._guard.release()

    def pause(self, seconds: float) -> None:
        """Sleep, as long as the job may go on."""
        until = time.monotonic() + seconds
        while self.end is None and time.monotonic() < until:
            time.sleep(min(0.05, max(until - time.monotonic(), 0)))

    def report(self, progress: Progress) -> None:
        """Write progress to the ledger, at most once a second; a database that is away loses only this line."""
        if time.monotonic() - self._reported < 1.0:
            return
        self._reported = time.monotonic()
        line = {"step": progress.step, "done": progress.done, "total": progress.total}
        try:
            with transaction(self._bench.sessions) as session:
                jobs.report(session, self._held, line)
        except (LeaseLost, Unavailable) as error:
            log.info("progress of job %s was not written: %s", self._held.id, error.detail)

    def remark(self, what: str, **detail: Any) -> None:
        """Something to note when the attempt has ended."""
        self._remarks.append((what, detail))

    def leave_trail(self, session: Session) -> None:
        """Write log and remarks, in the transaction that has just written how the attempt ended."""
        held = self._held
        for what, detail in self._remarks:
            trail.note(session, held.id, what, held.attempt, held.fence, **detail)
        if self._log is not None and (content := _end_of(self._log)):
            trail.keep_log(session, held.id, held.attempt, content)

    def _keep_growing_log(self, session: Session) -> None:
        if self._log is None or time.monotonic() - self._log_read < LOG_SECONDS or not self._log.exists():
            return
        self._log_read, size = time.monotonic(), self._log.stat().st_size
        if size > self._log_size:
            self._log_size = size
            trail.keep_log(session, self._held.id, self._held.attempt, _end_of(self._log))

    def _keep(self) -> None:
        seconds = self._bench.settings.lease_seconds
        left = None
        while not self._done.wait(min(BEAT_SECONDS, seconds / 3)):
            if self._leaving.is_set():
                left = left or time.monotonic()
                if time.monotonic() - left > DRAIN_SECONDS:
                    return self._guard.stop(End.LEAVING)
            begun = time.monotonic()
            if self._renewed():
                self.expires = begun + seconds
                self.lifeline.beat()
            elif self.end is not None or time.monotonic() > self.expires:
                return self._guard.stop(End.LOST)

    def _renewed(self) -> bool:
        try:
            with transaction(self._bench.sessions) as session:
                jobs.renew(session, self._held, self._bench.settings.lease_seconds)
                self._keep_growing_log(session)
            return True
        except LeaseLost:
            self._guard.end = End.LOST
        except Unavailable as error:
            log.warning("the lease of job %s could not be renewed: %s", self._held.id, error.detail)
        return False


def _end_of(log: Path) -> bytes:
    """The last part of a log; nothing when it is gone."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - trail.MAX_LOG_BYTES))
            return file.read(trail.MAX_LOG_BYTES)
    except OSError:
        return b""
