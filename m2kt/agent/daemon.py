"""The frame of a daemon: one at a time, one session, heartbeats beside the work, leaving in order.

TERM, INT, the order ``drain`` and the end of the session all lead the same way out: nothing new is taken, what runs
gets its time (none when the session is over: another process has it), and the session is closed.
"""

import fcntl
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from m2kt.agent.drain import Drain
from m2kt.agent.heartbeat import Heartbeat
from m2kt.agent.lease import Leases
from m2kt.agent.session import Session, opened
from m2kt.agent.supervise import Interrupted
from m2kt.client import Client
from m2kt.errors import Conflict, M2KTError, Unavailable
from m2kt.files import disk_errors

LOCK = "daemon.lock"

log = logging.getLogger(__name__)

Connect = Callable[[str | None], Client]
"""A client of this daemon's key, which signs with a session if it is given one."""

Step = Callable[[], bool]
"""Does what is due; whether there was anything."""

Recall = Callable[[str, str], object]
"""Takes a packet out of force, for a reason. Called in the heartbeat's thread."""


def serve(
    connect: Connect,
    drain: Drain,
    prepare: Callable[[Client, Leases], Step],
    *,
    pause: float,
    recall: Recall = lambda packet_id, reason: None,
) -> None:
    """Work until told to leave: ``prepare`` makes the step, which is repeated, ``pause`` seconds after nothing was due.

    Raises what ended the session (`SessionEnded` when another daemon took over with this key), and what a step raised
    that no waiting mends.
    """
    with drain.on_signals(), connect(None) as client, opened(client) as session:
        log.info("%s (%s) has session epoch %d at the broker", session.name, session.role, session.epoch)
        with connect(session.id) as beats:
            heart = _heart(beats, session, client, drain, recall)
            with heart.beat:
                _repeat(prepare(client, heart.leases), drain, pause)
            if heart.beat.out is not None:
                raise heart.beat.out
    log.info("left: %s", drain.why)


class _Heart:
    """The heartbeat and the leases that it keeps."""

    def __init__(self, beat: Heartbeat, leases: Leases) -> None:
        self.beat, self.leases = beat, leases


def _heart(beats: Client, session: Session, client: Client, drain: Drain, recall: Recall) -> _Heart:
    def obey(order: Mapping[str, Any]) -> None:
        if order["order"] == "stop":
            leases.stop(str(order["job"]), str(order["reason"]))
        elif order["order"] == "drain":
            drain.ask("the broker told it to drain")
        elif order["order"] == "recall":
            recall(str(order["packet_id"]), str(order["reason"]))

    def out(error: M2KTError) -> None:
        drain.ask(error.detail, at_once=True)
        leases.stop_all(error.detail)

    beat = Heartbeat(beats, session, lambda: leases.told(), obey, out)
    leases = Leases(client, session.id, lambda: beat.heard)
    return _Heart(beat, leases)


def _repeat(step: Step, drain: Drain, pause: float) -> None:
    while not drain.asked:
        try:
            busy = step()
        except Interrupted:
            return
        except Unavailable as error:
            log.warning("waiting: %s (%s)", error.detail, error.code)
            busy = False
        if not busy:
            drain.rest(pause)


@contextmanager
def alone(state: Path) -> Iterator[None]:
    """One daemon for one state directory; `Conflict` while another one holds it. A kill lets go of it."""
    with disk_errors(state):
        state.mkdir(parents=True, exist_ok=True)
        lock = (state / LOCK).open("w")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict(
                f"another daemon works in {state}", hint="Stop it first, or give this one a --state of its own."
            ) from error
        yield


def log_to_stderr() -> None:
    """Lines with time and level, for journals and containers."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for every request
