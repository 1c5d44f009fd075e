"""Streams that end when the broker does: uvicorn waits for open answers before it tells the application anything."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

STREAM_SECONDS = 60.0
"""An open answer ends after so long: whoever comes back signs again, and what it may see is looked up again. So whoever
was revoked, or moved to another project, hears no more than this."""


@dataclass(frozen=True)
class Stream:
    """One open answer."""

    closing: "Closing"
    ends: float

    @property
    def over(self) -> bool:
        """Whether it has to end now."""
        return self.closing.begun or time.monotonic() > self.ends


class Closing:
    """Whether the process was told to end, heard from the signal itself; and the streams that would hold it up."""

    def __init__(self) -> None:
        self.begun = False
        self.streams = 0

    @contextmanager
    def stream(self) -> Iterator[Stream]:
        """Count one; only ever from the event loop's thread."""
        self.streams += 1
        try:
            yield Stream(self, time.monotonic() + STREAM_SECONDS)
        finally:
            self.streams -= 1

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Listen to TERM and INT beside whoever listens already; only the main thread may."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

        def heard(number: int, frame: FrameType | None) -> None:
            self.begun = True
            listener = before[signal.Signals(number)]
            if callable(listener):
                listener(number, frame)

        for number in before:
            signal.signal(number, heard)
        try:
            yield
        finally:
            for number, listener in before.items():
                signal.signal(number, listener)
