"""Which packets a student has taken: a directory of memories and one pointer that is replaced atomically.

    STATE/memories/<packet digest>-<random>/   whole memories, written before they are pointed at, never changed after
    STATE/active.json                          the pointer: active memories in order of activation
    STATE/lock                                 held by the one process that changes them

A crash at any moment leaves the old pointer or the new one, and at most a directory that nothing points at. Removing a
packet is a new pointer without it; the student's own weights are never written.
"""

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from m2kt.errors import NotFound, RuntimeFault
from m2kt.files import disk_errors, sync_directory, write_atomically
from student_agent.card import CARD, WEIGHTS, read_card

POINTER, LOCK = "active.json", "lock"
SCHEMA = "m2kt.active/1"


@dataclass(frozen=True)
class Active:
    """One packet in force and the directory of its memory."""

    packet_id: str
    memory: str


@dataclass(frozen=True)
class State:
    """The state directory of one student."""

    root: Path

    def active(self) -> list[Active]:
        """What is in force, in order of activation."""
        try:
            found = json.loads((self.root / POINTER).read_bytes())
            if found["schema"] != SCHEMA:
                raise ValueError("another schema than this version's")
            return [Active(**each) for each in found["packets"]]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RuntimeFault(f"{self.root / POINTER} cannot be read: {error!r}") from error

    def memories(self) -> list[Path]:
        """Directories of the active memories, in order."""
        return [self.memory(each) for each in self.active()]

    @contextmanager
    def changing(self) -> Iterator[None]:
        """One change at a time: another process that changes this state waits here, and for no dead one."""
        with disk_errors(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            lock = (self.root / LOCK).open("w")
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def adopt(self, source: Path) -> Active:
        """Copy a trained memory into the state directory, whole or not at all. It is not in force yet."""
        packet_id = read_card(source).packet_id
        home = self.root / "memories"
        with disk_errors(home):
            home.mkdir(parents=True, exist_ok=True)
            fresh = Path(tempfile.mkdtemp(dir=home, prefix=".new-"))
            try:
                for name in (WEIGHTS, CARD):
                    write_atomically(fresh / name, (source / name).read_bytes())
                name = f"{packet_id.removeprefix('sha256:')[:16]}-{fresh.name.removeprefix('.new-')}"
                os.replace(fresh, home / name)
                sync_directory(home)
            finally:
                shutil.rmtree(fresh, ignore_errors=True)
        return Active(packet_id, name)

    def others(self, name: str) -> list[Active]:
        """What is in force under another name than ``name`` (``acme/chains``)."""
        return [each for each in self.active() if self.name(each) != name]

    def name(self, active: Active) -> str:
        """The name of a packet in force, without its version."""
        return read_card(self.memory(active)).packet.rpartition("@")[0]

    def memory(self, active: Active) -> Path:
        """The directory of its memory."""
        return self.root / "memories" / active.memory

    def activate(self, adopted: Active, replacing: Collection[str] = ()) -> None:
        """Put an adopted memory in force, in place of an older one of the same packet and of the packets ``replacing``
        (ids), all by one pointer (within `changing`)."""
        read_card(self.memory(adopted))
        gone = {adopted.packet_id, *replacing}
        self._point([*(each for each in self.active() if each.packet_id not in gone), adopted])

    def remove(self, packet_id: str) -> None:
        """Take a packet out of force and delete its memory; `NotFound` when it is not in force."""
        with self.changing():
            active = self.active()
            kept = [each for each in active if each.packet_id != packet_id]
            if len(kept) == len(active):
                there = ", ".join(each.packet_id for each in active) or "nothing"
                raise NotFound(f"{packet_id} is not active here", hint=f"Active: {there}.")
            self._point(kept)

    def _point(self, active: list[Active]) -> None:
        pointer = {"schema": SCHEMA, "packets": [asdict(each) for each in active]}
        write_atomically(self.root / POINTER, json.dumps(pointer).encode())
        self._sweep({each.memory for each in active})

    def _sweep(self, kept: set[str]) -> None:
        """Delete memories that nothing points at: removed ones, and what a crash left."""
        home = self.root / "memories"
        for directory in home.iterdir() if home.is_dir() else ():
            if directory.name not in kept:
                shutil.rmtree(directory, ignore_errors=True)
