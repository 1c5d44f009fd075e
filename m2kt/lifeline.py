"""The lifeline of a child process: its stdin, which its parent holds open and now and then writes to.

When the parent is gone the child reads the end of the file; when the parent is frozen (SIGSTOP, a host that swaps), no
beat comes for as long as a lease lasts. Either way the child leaves, so that no orphan keeps a GPU.
"""

import os
import select
import signal
import threading
from contextlib import suppress
from typing import IO

LIFELINE = "M2KT_LIFELINE"
"""Set for children that have one: the seconds that they outlast without a beat; 0 is for ever."""


class Lifeline:
    """The parent's end. ``patience`` in seconds: how long the child works on without a `beat`; 0 is for ever."""

    def __init__(self, patience: float = 0.0) -> None:
        self.patience = patience
        self._lock = threading.Lock()
        self._pipe: IO[bytes] | None = None

    def hold(self, pipe: IO[bytes]) -> None:
        """Beat into this pipe from now on. It blocks nobody any more: a child need not read."""
        with self._lock:
            os.set_blocking(pipe.fileno(), False)
            self._pipe = pipe

    def let_go(self) -> None:
        """Beat no more: the pipe's number may soon be another file's."""
        with self._lock:
            self._pipe = None

    def beat(self) -> None:
        """Tell the child that its job is still its own."""
        with self._lock, suppress(BlockingIOError, BrokenPipeError):
            if self._pipe is not None:
                os.write(self._pipe.fileno(), b"\n")


def watch(held: str) -> None:
    """The child's end: leave when stdin ends or falls silent. ``held`` is what `LIFELINE` said."""
    patience = float(held) or None
    threading.Thread(target=_leave_with_parent, args=(patience,), daemon=True).start()


def _leave_with_parent(patience: float | None) -> None:
    """Blocks in a thread of its own, so a busy main thread does not matter."""
    stdin = 0
    while select.select([stdin], [], [], patience)[0] and os.read(stdin, 4096):
        pass
    os._exit(128 + signal.SIGTERM)
