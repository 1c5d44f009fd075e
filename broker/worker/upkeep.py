"""What keeps the ledger going, in every replica of broker and worker alike: nobody leads, and nobody is needed.

The relay tells what the outbox holds; the sweeper rescues what lost its worker and forgets what ended long ago. Each
step is a transaction of its own that skips rows another replica is busy with.
"""

import logging
import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy.orm import Session

from broker.db import Sessions, transaction
from broker.jobs import Bell
from broker.models import JobKind
from broker.services import (
    agents,
    cascade,
    channels,
    feed,
    jobs,
    outbox,
    rescans,
    retention,
    rounds,
    scans,
    sessions,
    sign_ins,
)
from broker.services.jobs import Buried
from broker.settings import Settings
from m2kt.errors import QueueAway, Unavailable
from m2kt.signing.http import WINDOW_SECONDS
from m2kt.signing.keys import PrivateKey

RELAY_SECONDS = 1.0
"""How long a row of the outbox waits at most when the replica that wrote it died."""

COURTESY_SECONDS = 0.002
"""The request that nudges is answered first: both want the interpreter."""

QUIET_SECONDS = 5.0
"""After Redis did not answer. Workers look at the ledger every second all the same."""

STALE_RING = timedelta(seconds=60)
JOBS_PER_RING = 4
"""A bell wakes every lane of a worker, and a lane works until nothing is due: a burst needs fewer bells than jobs."""

BURST_SECONDS, MOST_BURST_SECONDS = 0.02, 0.1
"""Between two looks at the outbox, doubled while they find something: so a burst is told together."""

SWEEP_SECONDS = 3.0
SETTLE = 256
"""Descendants of what was taken back whose new states are signed in one transaction."""

NONCE_SECONDS = 10 * WINDOW_SECONDS
"""Far longer than any host's clock may be off: a pruned nonce could be used again."""

Chore = Callable[[Session], object]
"""A step of the sweep, in a transaction of its own: what one of them meets keeps no other from its turn."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Terms:
    """How long things last: a scan's verdict, a channel's head, an event of the feed."""

    verdict: timedelta = timedelta(days=90)
    channel: timedelta = timedelta(days=7)
    feed: timedelta = timedelta(days=30)

    @classmethod
    def of(cls, settings: Settings) -> "Terms":
        days = (settings.verdict_days, settings.channel_days, settings.feed_days)
        return cls(*(timedelta(days=each) for each in days))


class Upkeep:
    """Two threads: relay and sweeper. Starts with `start`, works until `stop`."""

    def __init__(
        self,
        sessions: Sessions,
        bell: Bell,
        key: PrivateKey,
        keep_days: float,
        terms: Terms | None = None,
        chores: Sequence[Chore] = (),
    ) -> None:
        self._sessions, self._bell, self._key = sessions, bell, key
        self._keep, self._terms = timedelta(days=keep_days), terms or Terms()
        self._chores = chores
        self._leaving = threading.Event()
        self._nudged = threading.Event()
        self._threads = [
            threading.Thread(target=self._relay, name="relay", daemon=True),
            threading.Thread(target=self._sweeper, name="sweeper", daemon=True),
        ]

    def start(self) -> None:
        for each in self._threads:
            each.start()

    def stop(self) -> None:
        self._leaving.set()
        self._nudged.set()
        for each in self._threads:
            each.join()

    def nudge(self, _: uuid.UUID) -> None:
        """The outbox has something new: look at once."""
        self._nudged.set()

    def _relay(self) -> None:
        while not self._leaving.is_set():
            if self._nudged.wait(RELAY_SECONDS):
                self._leaving.wait(COURTESY_SECONDS)
            self._nudged.clear()
            try:
                self._tell_all()
            except QueueAway as error:
                log.warning("%s; workers find their jobs in the ledger", error.detail)
                self._leaving.wait(QUIET_SECONDS)
            except Unavailable as error:
                log.warning("waiting: %s", error.detail)
            except Exception:  # the edge of a thread
                log.exception("the relay failed")

    def _tell_all(self) -> None:
        rest = BURST_SECONDS
        while self._drained() and not self._leaving.wait(rest):
            rest = min(2 * rest, MOST_BURST_SECONDS)

    def _drained(self) -> int:
        with transaction(self._sessions) as session:
            return outbox.drain(session, {outbox.RING: self._ring})

    def _ring(self, bodies: Sequence[dict[str, Any]]) -> None:
        for each in bodies[::JOBS_PER_RING]:
            self._bell.send(str(each["job"]))

    def _sweeper(self) -> None:
        while not self._leaving.wait(SWEEP_SECONDS):
            outlive(self._sweep)
            for each in self._chores:
                outlive(partial(self._do, each))

    def _do(self, chore: Chore) -> bool:
        with transaction(self._sessions) as session:
            chore(session)
        return True

    def _sweep(self) -> bool:
        with transaction(self._sessions, self.nudge) as session:
            for dead in jobs.sweep(session):
                bury(session, self._key, dead, "it lost its worker on every attempt")
        with transaction(self._sessions) as session:
            rounds.sweep(session)
        with transaction(self._sessions) as session:
            agents.prune_nonces(session, NONCE_SECONDS)
            outbox.forget(session, outbox.RING, STALE_RING)
            retention.forget_finished(session, self._keep)
            sessions.forget(session, self._keep)
            sign_ins.forget(session, self._keep)
        self._look_after()
        return True

    def _look_after(self) -> None:
        """What time does to packets: each kind a transaction of its own."""
        with transaction(self._sessions) as session:
            feed.number(session)
            feed.forget(session, self._terms.feed)
        with transaction(self._sessions) as session:
            rescans.expire(session, self._key)
        with transaction(self._sessions, self.nudge) as session:
            rescans.ask(session, self._terms.verdict)
        with transaction(self._sessions) as session:
            channels.renew(session, self._key, self._terms.channel)
        while self._settled() and not self._leaving.is_set():
            pass

    def _settled(self) -> int:
        """Of a lineage that was too large for the transaction that took its root back."""
        with transaction(self._sessions) as session:
            return cascade.settle(session, self._key, SETTLE)


def bury(session: Session, key: PrivateKey, dead: Buried, why: str) -> None:
    """A packet whose scan is dead says so, and stays where it is."""
    log.warning("job %s (%s) is dead: %s", dead.id, dead.kind, why)
    if dead.kind == JobKind.SCAN and dead.packet_id:
        scans.inconclusive(session, key, dead.packet_id, _line(why))


def _line(text: str) -> str:
    """One line that a signed statement can hold: its canonical JSON refuses control characters such as NUL."""
    return " ".join(text.replace("\x00", "").split())[:400]


def outlive(step: Callable[[], int]) -> int:
    """A thread outlives whatever happens to it: a process with a dead thread looks alive and is not."""
    try:
        return step()
    except Unavailable as error:
        log.warning("waiting: %s", error.detail)
    except Exception:  # the edge of a thread
        log.exception("a step failed")
    return 0
