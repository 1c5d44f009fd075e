"""Holding a job while it runs: renewal beside the work, and the end of its child when the job is lost."""

import logging
import os
import signal
import threading
import time
from contextlib import suppress
from enum import StrEnum

from broker.db import transaction
from broker.errors import LeaseLost
from broker.services import jobs
from broker.services.jobs import Claim
from broker.worker.bench import Bench
from m2kt.agent.child import GRACE_SECONDS, Progress
from m2kt.errors import Unavailable

BEAT_SECONDS = 1.0
"""How soon a cancel is noticed."""

DRAIN_SECONDS = 3.0
"""What a running job gets to finish in when the worker leaves."""

log = logging.getLogger(__name__)


class End(StrEnum):
    """Why a job must stop before it is done."""

    LOST = "lost"
    LEAVING = "leaving"


class Lease:
    """Renews in a thread of its own, with a connection of its own, until the ``with`` block ends."""

    def __init__(self, bench: Bench, held: Claim, leaving: threading.Event) -> None:
        self._bench, self._held, self._leaving = bench, held, leaving
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=f"lease-{held.id}", daemon=True)
        self._group: int | None = None
        self._reported = 0.0
        self.end: End | None = None

    def __enter__(self) -> "Lease":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def guard(self, group: int) -> None:
        """End this process group if the job must stop."""
        with self._lock:
            self._group = group
            if self.end is not None:
                _signal(group, signal.SIGTERM)

    def release(self) -> None:
        """The group has ended; its number may soon be somebody else's."""
        with self._lock:
            self._group = None

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

    def _keep(self) -> None:
        seconds = self._bench.settings.lease_seconds
        expires = time.monotonic() + seconds
        left = None
        while not self._done.wait(min(BEAT_SECONDS, seconds / 3)):
            if self._leaving.is_set():
                left = left or time.monotonic()
                if time.monotonic() - left > DRAIN_SECONDS:
                    return self._stop(End.LEAVING)
            begun = time.monotonic()
            if self._renewed():
                expires = begun + seconds
            elif self.end is not None or time.monotonic() > expires:
                return self._stop(End.LOST)

    def _renewed(self) -> bool:
        try:
            with transaction(self._bench.sessions) as session:
                jobs.renew(session, self._held, self._bench.settings.lease_seconds)
            return True
        except LeaseLost:
            self.end = End.LOST
        except Unavailable as error:
            log.warning("the lease of job %s could not be renewed: %s", self._held.id, error.detail)
        return False

    def _stop(self, end: End) -> None:
        """TERM to the child's group, a grace period, then KILL."""
        self.end = end
        for how in (signal.SIGTERM, signal.SIGKILL):
            with self._lock:
                if self._group is not None:
                    _signal(self._group, how)
            if self._done.wait(GRACE_SECONDS):
                return


def _signal(group: int, how: signal.Signals) -> None:
    with suppress(ProcessLookupError):  # it ended by itself just now
        os.killpg(group, how)
