"""Start one service, wait until it is ready, end it."""

import hashlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from m2kt.dev.layout import Layout, full_disk_named
from m2kt.dev.process import POLL_SECONDS, birth, end, reap, spawn
from m2kt.dev.state import Record
from m2kt.errors import ChildFailed, DiskFull, PortTaken, RuntimeFault

LOG_BYTES_KEPT = 16 << 20
TAIL_LINES = 12


@dataclass(frozen=True)
class Kind:
    """What is true of a service however it was started: how it ends, and how to find what a crash left of it."""

    name: str
    leftovers: Callable[[Layout], Iterable[int]]
    """Ids of its processes, whether or not a record names them."""
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 10.0


@dataclass(frozen=True)
class Service:
    """One service to start, and how to see that it is ready."""

    kind: Kind
    layout: Layout
    argv: Sequence[str]
    env: Mapping[str, str]
    ready: Callable[[int, str], bool]
    """Whether the process with this id serves; the second argument is what it has logged so far."""
    port: int | None = None
    inherit: bool = False
    """Whether it also gets our own environment."""
    start_seconds: float = 60.0

    @property
    def log(self) -> Path:
        return self.layout.log(self.kind.name)

    @property
    def settings(self) -> str:
        """Digest of what a running process cannot be told later, so that we know when it must be restarted."""
        return hashlib.sha256(json.dumps([list(self.argv), dict(self.env)], sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Launched:
    """A started process, and where its lines begin in the log."""

    record: Record
    log_start: int = 0


def launch(service: Service) -> Launched:
    """Start the process, after ending what an earlier crash left of it."""
    end_leftovers(service.kind, service.layout)
    _turn_over(service.log)
    log_start = service.log.stat().st_size if service.log.exists() else 0
    inherited = os.environ if service.inherit else {}
    with full_disk_named(service.log):
        pid = spawn(service.argv, {**inherited, **service.env}, service.log)
    return Launched(Record(pid, birth(pid) or "", service.port, service.settings), log_start)


def await_ready(service: Service, launched: Launched) -> None:
    """Wait until the service is ready; end it and raise, with the log's last lines, when it dies or takes too long."""
    deadline = time.monotonic() + service.start_seconds
    record = launched.record
    while record.alive:
        if service.ready(record.pid, _said(service.log, launched.log_start)):
            return
        if time.monotonic() > deadline:
            stop(service.kind, record)
            raise _failure(service, launched, f"was not ready after {service.start_seconds:.0f} s")
        time.sleep(POLL_SECONDS)
    status = reap(record.pid)
    raise _failure(service, launched, "died while starting" if status is None else f"ended with status {status}")


def stop(kind: Kind, record: Record) -> None:
    """End a recorded process, if it is still the one that was recorded."""
    if record.alive:
        end(record.pid, kind.stop_signal, kind.stop_seconds)
    reap(record.pid)


def end_leftovers(kind: Kind, layout: Layout) -> None:
    """End what a crash left of a service. QUIT, as a Postgres session whose server is gone heeds nothing milder."""
    for pid in list(kind.leftovers(layout)):
        end(pid, signal.SIGQUIT, kind.stop_seconds)


def _failure(service: Service, launched: Launched, what: str) -> RuntimeFault:
    """The error that the log's last lines speak of."""
    tail = "\n".join(_said(service.log, launched.log_start).splitlines()[-TAIL_LINES:])
    text = f"{service.kind.name} {what}; its log is {service.log}\n{tail}".rstrip()
    return named_failure(text) or ChildFailed(text)


def named_failure(text: str) -> RuntimeFault | None:
    """The more precise error that a program's last words name."""
    lowered = text.lower()
    if "no space left on device" in lowered or "disk quota exceeded" in lowered:
        return DiskFull(text)
    if "address already in use" in lowered:
        return PortTaken(text)
    if "unshare failed" in lowered or "unshare: write failed" in lowered:
        return RuntimeFault(text, hint=UNSHARE_HINT)
    return None


UNSHARE_HINT = (
    "Postgres refuses root and users without a name, and there is no user namespace here to hide that. Run as a normal"
    " user, allow user namespaces (containers: --security-opt seccomp=unconfined), or use a server of your own"
    " through M2KT_DATABASE_URL."
)


def _said(log: Path, start: int) -> str:
    """What was logged from ``start`` on, its last part if that is long."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(start, log.stat().st_size - (64 << 10)))
        return file.read().decode(errors="replace")


def _turn_over(log: Path) -> None:
    """Keep one older log, so that a runtime that lives for months does not fill the disk."""
    if log.exists() and log.stat().st_size > LOG_BYTES_KEPT:
        log.replace(log.with_suffix(".log.1"))
