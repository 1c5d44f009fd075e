"""The threads of a worker. One lane for each sort of work, so that a scan never waits behind an extraction."""

import logging
import threading
from collections.abc import Callable

from broker.db import transaction
from broker.models import JobKind
from broker.services import agents, jobs
from broker.worker.attempt import attempt, bury
from broker.worker.bench import Bench
from broker.worker.sequencing import PAUSE_SECONDS, TROUBLE_SECONDS, Sequencing
from m2kt.errors import LogError, Unavailable, UsageError
from m2kt.signing.http import WINDOW_SECONDS

POLL_SECONDS = 1.0
"""How long a job waits at most when its bell was lost."""

SWEEP_SECONDS = 5.0
NONCE_SECONDS = 10 * WINDOW_SECONDS
"""Far longer than any host's clock may be off: a pruned nonce could be used again."""

LANES = {
    "scans": (JobKind.SCAN,),
    "models": (JobKind.EXTRACT, JobKind.ALIGN),
    "noops": (JobKind.NOOP,),
}

log = logging.getLogger(__name__)


class Crew:
    """Starts with `start`, works until `leave`."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._sequencing = Sequencing(bench)
        self._leaving = threading.Event()
        self._bells = {name: threading.Event() for name in LANES}
        self._threads = [
            *(threading.Thread(target=self._lane, args=(name,), name=f"lane-{name}") for name in LANES),
            threading.Thread(target=self._sweeper, name="sweeper"),
            threading.Thread(target=self._sequencer, name="sequencer"),
        ]

    def start(self) -> None:
        for each in self._threads:
            each.start()

    def wake(self) -> None:
        """Something is due: look at once."""
        for each in self._bells.values():
            each.set()

    def leave(self) -> None:
        """Take nothing new; finish what is short, hand back what is long."""
        self._leaving.set()
        self.wake()
        for each in self._threads:
            each.join()

    def _lane(self, name: str) -> None:
        while not self._leaving.is_set():
            worked = self._survive(lambda: self._work(LANES[name]))
            if not worked:
                self._bells[name].wait(POLL_SECONDS)
                self._bells[name].clear()

    def _work(self, kinds: tuple[JobKind, ...]) -> bool:
        """Whether there was something to do."""
        bench = self._bench
        with transaction(bench.sessions) as session:
            held = jobs.claim(session, bench.owner, bench.settings.lease_seconds, kinds)
        if held is not None:
            attempt(bench, held, self._leaving)
        return held is not None

    def _sweeper(self) -> None:
        while not self._leaving.wait(SWEEP_SECONDS):
            self._survive(self._sweep)

    def _sweep(self) -> bool:
        with transaction(self._bench.sessions, self._bench.ring) as session:
            for dead in jobs.sweep(session):
                bury(session, self._bench, dead, f"it lost its worker {jobs.MAX_ATTEMPTS} times")
            agents.prune_nonces(session, NONCE_SECONDS)
        return True

    def _sequencer(self) -> None:
        while not self._leaving.wait(PAUSE_SECONDS):
            self._survive(self._sequence)
        self._sequencing.close()

    def _sequence(self) -> bool:
        """All that waits, batch by batch. A log that must not be signed is no reason for the jobs to stop."""
        try:
            while self._sequencing.step() and not self._leaving.is_set():
                pass
        except (LogError, UsageError) as error:
            log.error("the log stands still: %s (%s)", error.detail, error.code)
            self._leaving.wait(TROUBLE_SECONDS)
        return True

    def _survive(self, step: Callable[[], bool]) -> bool:
        """A thread of the crew outlives whatever happens to it: a worker with a dead lane looks alive and is not."""
        try:
            return step()
        except Unavailable as error:
            log.warning("waiting: %s", error.detail)
        except Exception:  # the edge of a thread
            log.exception("a step of the worker failed")
        return False
