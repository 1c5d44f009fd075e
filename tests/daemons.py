"""Daemons as processes, for tests that watch them from outside."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

Found = TypeVar("Found")

PATIENCE = 120.0


@dataclass(frozen=True)
class Daemon:
    """A running daemon and its log."""

    process: "subprocess.Popen[bytes]"
    log: Path

    def said(self) -> str:
        return self.log.read_text()

    def told_to_leave(self) -> int:
        """Send TERM; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def kill(self) -> None:
        """KILL: the daemon, which then runs nothing more. Its children see that it is gone."""
        self.process.kill()
        self.process.wait()


@contextmanager
def daemon(program: str, home: Path, **options: object) -> Iterator[Daemon]:
    """`python -m PROGRAM run` with these options; what still runs at the end is killed."""
    home.mkdir(parents=True, exist_ok=True)
    told = {"state": home / "state", **options}
    words = [word for name, value in told.items() for word in _option(name.replace("_", "-"), value)]
    log = home / "daemon.log"
    with log.open("ab") as errors:
        process = subprocess.Popen([sys.executable, "-m", program, "run", *words], stderr=errors)
    try:
        yield Daemon(process, log)
    finally:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
        process.wait()


def _option(name: str, value: object) -> list[str]:
    if value is True:
        return [f"--{name}"]
    return [f"--{name}", str(value)]


def until(look: Callable[[], Found], what: str, patience: float = PATIENCE) -> Found:
    """The first thing that ``look`` finds; fails after a long time (machines under load are slow)."""
    end = time.monotonic() + patience
    while not (found := look()):
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.05)
    return found


@contextmanager
def environment(settings: Mapping[str, str]) -> Iterator[None]:
    """With these environment variables, for what is started meanwhile."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
