"""One life of an agent's process at its broker. Opening it ends the life before, wherever that still runs."""

import logging
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime

from m2kt.client import Client
from m2kt.errors import M2KTError, Unavailable

WARN_SKEW_SECONDS = 5.0
MOST_PAUSE_SECONDS = 15.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Session:
    """What the broker said when the session was opened; the client signs with ``id`` from then on."""

    id: str
    epoch: int
    name: str
    role: str
    project: str
    beat_seconds: float
    lease_seconds: float
    draining: bool
    skew_seconds: float
    """How far this host's clock is ahead of the broker's, by half of the round trip."""
    broker_version: str


@contextmanager
def opened(client: Client, *, patience: float = 60.0) -> Iterator[Session]:
    """Open a session with ``client``, which signs with it, and close it in the end (`open_session`)."""
    session = open_session(client, patience=patience)
    try:
        yield session
    finally:
        with suppress(M2KTError):  # the broker is away, or another session has followed: nothing is left to close
            client.close_session()


def open_session(client: Client, *, patience: float = 60.0, clock: Callable[[], float] = time.time) -> Session:
    """Open a new session, trying for ``patience`` seconds while the broker is away.

    Its name is made once, so that asking again after a lost answer opens no second one. Raises `UnknownKey` for a key
    that counts no more, `Forbidden` for one that only the broker's settings name.
    """
    name, end, pause = secrets.token_urlsafe(16), time.monotonic() + patience, 0.5
    while True:
        asked = clock()
        try:
            told = client.open_session(name, socket.gethostname()[:128] or None)
            break
        except Unavailable as error:
            if time.monotonic() + pause > end:
                raise
            log.warning("waiting for the broker: %s", error.detail)
            time.sleep(pause)
            pause = min(2 * pause, MOST_PAUSE_SECONDS)
    skew = (asked + clock()) / 2 - datetime.fromisoformat(str(told["now"])).timestamp()
    if abs(skew) > WARN_SKEW_SECONDS:
        log.warning("this host's clock is %.0f seconds %s", abs(skew), "ahead" if skew > 0 else "behind")
    return Session(
        id=name,
        epoch=int(told["epoch"]),
        name=str(told["name"]),
        role=str(told["role"]),
        project=str(told["project"]),
        beat_seconds=float(told["beat_seconds"]),
        lease_seconds=float(told["lease_seconds"]),
        draining=bool(told["draining"]),
        skew_seconds=skew,
        broker_version=str(told["broker_version"]),
    )
