"""The process group that works on a job, and its end when the job must stop before it is done.

Worker and daemons share this: whoever keeps a lease (a thread of its own) stops, whoever runs the child watches.
"""

import os
import signal
import threading
from contextlib import suppress
from enum import StrEnum

from m2kt.lifeline import Lifeline

GRACE_SECONDS = 3.0
"""Between TERM and KILL: with a beat a second, a cancelled job's GPU is free within five seconds."""


class End(StrEnum):
    """Why a job must stop before it is done."""

    LOST = "lost"
    LEAVING = "leaving"


class Guard:
    """At most one group at a time. ``patience`` in seconds: how long the child works on without a beat of ours."""

    def __init__(self, patience: float) -> None:
        self.lifeline = Lifeline(patience)
        self.end: End | None = None
        self._lock = threading.Lock()
        self._group: int | None = None
        self._free = threading.Event()
        self._free.set()

    def watch(self, group: int) -> None:
        """End this process group if the job must stop; one that comes too late has nothing to lose yet."""
        with self._lock:
            self._group = group
            self._free.clear()
            if self.end is not None:
                _signal(group, signal.SIGKILL)

    def release(self) -> None:
        """The group has ended; its number may soon be somebody else's."""
        with self._lock:
            self._group = None
            self._free.set()

    def stop(self, end: End) -> None:
        """TERM to the group, a grace period, then KILL; returns when the group has been let go, or was killed."""
        self.end = self.end or end
        for how in (signal.SIGTERM, signal.SIGKILL):
            with self._lock:
                if self._group is not None:
                    _signal(self._group, how)
            if self._free.wait(GRACE_SECONDS):
                return


def _signal(group: int, how: signal.Signals) -> None:
    with suppress(ProcessLookupError):  # it ended by itself just now
        os.killpg(group, how)
