"""The lanes of a worker: one thread each, and one sort of work, so that a scan never waits behind an extraction."""

import logging
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from broker.models import JobKind
from broker.services import jobs
from broker.worker.attempt import HANDFUL, PAUSING, at_once, one
from broker.worker.bench import Bench
from broker.worker.kinds import HANDLERS
from broker.worker.options import Options
from broker.worker.sequencing import PAUSE_SECONDS, TROUBLE_SECONDS, Sequencing
from broker.worker.tidy import tidy
from broker.worker.upkeep import outlive
from m2kt.errors import LogError, UsageError

POLL_SECONDS = 1.0
"""How long a job waits at most when its bell was lost."""

LOOK_SECONDS, MOST_LOOK_SECONDS = 0.03, 0.25
"""Between two looks that found nothing, doubled while bells are for other lanes: each wakes every lane."""

TIDY_SECONDS = 3600.0
NOOPS: frozenset[str] = frozenset({JobKind.NOOP})
MODELS = frozenset(HANDLERS) - {JobKind.SCAN, JobKind.NOOP}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Lane:
    name: str
    kinds: frozenset[str]
    device: str | None = None
    at_once: bool = False
    """For no-ops that wait for nothing."""

    @property
    def handful(self) -> int:
        """Most jobs of one look."""
        return HANDFUL if self.at_once else 1


def lanes(options: Options) -> Iterator[Lane]:
    """A lane for scans, two for no-ops, one for each slot; without those that have nothing to do here."""
    wanted = [
        Lane("scans", frozenset({JobKind.SCAN})),
        Lane("noops", NOOPS, at_once=True),
        Lane("pauses", NOOPS),
        *(Lane(f"models-{n}", MODELS, options.device(n)) for n in range(options.slots)),
    ]
    for each in wanted:
        if each.kinds & options.kinds:
            yield replace(each, kinds=each.kinds & options.kinds)


class Crew:
    """Starts with `start`, works until `leave`."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._sequencing = Sequencing(bench)
        self._leaving = threading.Event()
        self._bells: list[threading.Event] = []
        self._threads = [
            threading.Thread(target=self._tidier, name="tidier"),
            threading.Thread(target=self._sequencer, name="sequencer"),
        ]
        for lane in lanes(bench.options):
            bell = threading.Event()
            self._bells.append(bell)
            self._threads.append(threading.Thread(target=self._lane, args=(lane, bell), name=f"lane-{lane.name}"))

    def start(self) -> None:
        for each in self._threads:
            each.start()

    def wake(self) -> None:
        """Something is due: look at once."""
        for each in self._bells:
            each.set()

    def leave(self) -> None:
        """Take nothing new; finish what is short, hand back what is long."""
        self._leaving.set()
        self.wake()
        for each in self._threads:
            each.join()

    def _lane(self, lane: Lane, bell: threading.Event) -> None:
        bench, rest = replace(self._bench, device=lane.device), LOOK_SECONDS
        due = jobs.due_jobs(lane.kinds, bench.options.offer)
        due = due.where(PAUSING) if lane.kinds == NOOPS else due
        while not self._leaving.is_set():
            looked = time.monotonic()
            taken = outlive(lambda: at_once(bench) if lane.at_once else one(bench, due, self._leaving))
            rest = LOOK_SECONDS if taken else rest
            if taken == lane.handful:  # there may be more
                continue
            rung = bell.wait(POLL_SECONDS * random.uniform(0.8, 1.0))
            time.sleep(max(0.0, looked + rest - time.monotonic()))
            rest = min(2 * rest, MOST_LOOK_SECONDS) if rung else LOOK_SECONDS
            bell.clear()

    def _tidier(self) -> None:
        while not self._leaving.wait(TIDY_SECONDS):
            outlive(lambda: tidy(self._bench))

    def _sequencer(self) -> None:
        while not self._leaving.wait(PAUSE_SECONDS):
            outlive(self._sequence)
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
