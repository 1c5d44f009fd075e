"""Leaving in order: the first TERM or INT asks for it, what runs gets its time, and the second one ends it at once."""

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)


class Drain:
    """Whether this process leaves, and for how long it may still finish what runs. ``patience`` in seconds."""

    def __init__(self, patience: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience, self._clock = patience, clock
        self._asked = threading.Event()
        self._lock = threading.Lock()
        self._until = float("inf")
        self.why = ""

    def ask(self, why: str, *, at_once: bool = False) -> None:
        """Take nothing new; ``at_once`` leaves no time to finish. The first reason stays, the shortest time counts."""
        with self._lock:
            self.why = self.why or why
            self._until = min(self._until, self._clock() + (0.0 if at_once else self._patience))
        self._asked.set()

    @property
    def asked(self) -> bool:
        return self._asked.is_set()

    @property
    def over(self) -> bool:
        """Whether the time to finish is over."""
        return self._clock() >= self._until

    def rest(self, seconds: float) -> bool:
        """Sleep, and wake when somebody asks; whether somebody has."""
        return self._asked.wait(seconds)

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Let TERM and INT ask, the second time at once. Only in the main thread, as signals are."""

        def asked(number: int, _: object) -> None:
            self.ask(signal.Signals(number).name, at_once=self.asked)

        before = {each: signal.signal(each, asked) for each in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)
