"""Leaving in order: the first TERM or INT asks for it, what runs gets its time, and the second one ends it at once."""

import logging
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue

log = logging.getLogger(__name__)


class Drain:
    """Whether this process leaves, and for how long it may still finish what runs. ``patience`` in seconds."""

    def __init__(self, patience: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience, self._clock = patience, clock
        # A signal's handler interrupts its own thread anywhere, inside `rest` too: locks and events, which are locks,
        # would then wait for themselves. Lists append at once, and a SimpleQueue may be put to from a handler.
        self._asks: list[tuple[str, float]] = []
        self._bell: SimpleQueue[None] = SimpleQueue()

    def ask(self, why: str, *, at_once: bool = False) -> None:
        """Take nothing new; ``at_once`` leaves no time to finish. The first reason stays, the shortest time counts."""
        self._asks.append((why, self._clock() + (0.0 if at_once else self._patience)))
        self._bell.put(None)

    @property
    def why(self) -> str:
        """What was first asked for; nothing before."""
        return self._asks[0][0] if self._asks else ""

    @property
    def asked(self) -> bool:
        return bool(self._asks)

    @property
    def over(self) -> bool:
        """Whether the time to finish is over."""
        return any(self._clock() >= until for _, until in self._asks)

    def rest(self, seconds: float) -> bool:
        """Sleep, and wake when somebody asks; whether somebody has."""
        if self.asked:
            return True
        try:
            self._bell.get(timeout=max(seconds, 0.0))
        except Empty:
            return self.asked
        self._bell.put(None)  # for whoever else rests
        return True

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
