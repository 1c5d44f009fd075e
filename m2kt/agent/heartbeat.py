"""Heartbeats from a thread of their own: they go on while the agent works, drains, or waits for a slow disk."""

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from m2kt.agent.session import Session
from m2kt.client import Client
from m2kt.errors import Forbidden, M2KTError, RequestUnsigned, SessionEnded, SessionRequired, Unavailable, UnknownKey

OUT = (SessionEnded, SessionRequired, UnknownKey, Forbidden)
"""What no further beat can mend: another session followed, or the key counts no more."""

MOST_BEATS = 3.0
"""Longest pause while the broker is away, in beats: a broker that comes back is not met by everybody at once, and no
lease that it still knows is lost by waiting."""

Held = Callable[[], Sequence[Mapping[str, Any]]]
OnOrder = Callable[[Mapping[str, Any]], None]
OnOut = Callable[[M2KTError], None]

log = logging.getLogger(__name__)


class Heartbeat:
    """Beats from `start` until `stop`, or until the broker will hear this session no more.

    ``client`` signs with ``session`` and is this thread's own. ``held`` says what the agent holds (``{"job", "fence"}``
    and optional ``progress``, ``log``). ``on_order`` gets every order of every answer: orders are repeated until they
    are obeyed, so obeying one twice must do no harm. ``on_out`` is told once, when the agent must stop. All three are
    called in this thread.
    """

    def __init__(self, client: Client, session: Session, held: Held, on_order: OnOrder, on_out: OnOut) -> None:
        self._client, self._session = client, session
        self._held, self._on_order, self._on_out = held, on_order, on_out
        self._leaving, self._nudged = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._failures = 0
        self.heard = time.monotonic()
        """When the broker last answered. Leases end ``lease_seconds`` later at the latest."""
        self.out: M2KTError | None = None
        """Why the agent must stop."""

    def __enter__(self) -> "Heartbeat":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread; the session stays open (`Client.close_session` ends it)."""
        self._leaving.set()
        self._nudged.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def nudge(self) -> None:
        """Beat at once: there is something to say."""
        self._nudged.set()

    def _run(self) -> None:
        while not self._leaving.is_set() and self.out is None:
            self._beat()
            if self.out is None:
                self._nudged.wait(self._pause())
                self._nudged.clear()

    def _pause(self) -> float:
        """Jittered, so that a thousand agents that started together do not beat together."""
        beats = min(0.5 * 2**self._failures, MOST_BEATS) if self._failures else 1.0
        return self._session.beat_seconds * beats * random.uniform(0.8, 1.0)

    def _beat(self) -> None:
        begun = time.monotonic()
        try:
            told = self._client.beat(self._held())
        except OUT as error:
            self._end(error)
        except (Unavailable, RequestUnsigned) as error:  # a wrong clock can be set right
            self._failures += 1
            log.warning("no heartbeat (%d): %s", self._failures, error.detail)
        except Exception:  # the edge of a thread
            self._failures += 1
            log.exception("the heartbeat failed")
        else:
            self.heard, self._failures = begun, 0
            self._obey(told["orders"])

    def _obey(self, orders: Sequence[Mapping[str, Any]]) -> None:
        for each in orders:
            try:
                self._on_order(each)
            except Exception:  # one order that cannot be obeyed leaves the others
                log.exception("the order %s could not be obeyed", each)

    def _end(self, error: M2KTError) -> None:
        self.out = error
        log.error("this agent must stop: %s (%s)", error.detail, error.code)
        try:
            self._on_out(error)
        except Exception:  # the edge of a thread
            log.exception("the agent could not be told to stop")
