"""What runs, on disk, and the lock that lets one command at a time change it."""

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from m2kt.dev.layout import full_disk_named, write_atomically
from m2kt.dev.process import birth
from m2kt.errors import RuntimeFault

LOCK_SECONDS = 120.0
LOCK_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Record:
    """One started service: the process's id and birth, its port, and a digest of what it was started with."""

    pid: int
    birth: str
    port: int | None
    settings: str

    @property
    def alive(self) -> bool:
        return birth(self.pid) == self.birth


Records = dict[str, Record]


def load(path: Path) -> Records:
    """The recorded services; none when the file is absent or unreadable: leftovers are then found by their marks."""
    try:
        return {name: Record(**fields) for name, fields in json.loads(path.read_text())["services"].items()}
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def save(path: Path, records: Mapping[str, Record]) -> None:
    """Replace the state file in one step."""
    write_atomically(path, json.dumps({"services": {name: asdict(each) for name, each in records.items()}}, indent=2))


@contextmanager
def locked(path: Path, patience: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold the lock file. The kernel lets go of it when we die, so a file left behind locks nobody out."""
    descriptor = _acquire(path, time.monotonic() + patience)
    try:
        yield
    finally:
        os.close(descriptor)


def _acquire(path: Path, deadline: float) -> int:
    while True:
        with full_disk_named(path):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _still_there(path, descriptor):
                return descriptor
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(descriptor)
                raise RuntimeFault(
                    f"another `m2kt dev` command holds {path}", hint="Wait for it, or end it, and repeat."
                ) from None
        os.close(descriptor)
        time.sleep(LOCK_POLL_SECONDS)


def _still_there(path: Path, descriptor: int) -> bool:
    """Whether the locked file is still the one at ``path``: the previous holder may have removed it (`down`)."""
    try:
        return path.stat().st_ino == os.fstat(descriptor).st_ino
    except FileNotFoundError:
        return False
