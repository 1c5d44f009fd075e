"""Which packets a student has taken: a directory of memories and one pointer that is replaced atomically.

    STATE/memories/<packet digest>-<random>/   whole memories, written before they are pointed at, never changed after
    STATE/active.json                          the pointer: active memories in order of activation

A crash at any moment leaves the old pointer or the new one, and at most a directory that nothing points at. Removing a
packet is a new pointer without it; the student's own weights are never written.
"""

import json
import os
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from m2kt.errors import NotFound, RuntimeFault
from m2kt.files import disk_errors, sync_directory, write_atomically
from student_agent.card import CARD, WEIGHTS, read_card

POINTER = "active.json"
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
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            raise RuntimeFault(f"{self.root / POINTER} cannot be read: {error}") from error
        if not isinstance(found, dict) or found.get("schema") != SCHEMA:
            raise RuntimeFault(f"{self.root / POINTER} is not a pointer of this version")
        return [Active(**each) for each in found["packets"]]

    def memories(self) -> list[Path]:
        """Directories of the active memories, in order."""
        return [self.root / "memories" / each.memory for each in self.active()]

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

    def activate(self, adopted: Active) -> None:
        """Put an adopted memory in force, in place of an older one of the same packet."""
        read_card(self.root / "memories" / adopted.memory)
        self._point([*(each for each in self.active() if each.packet_id != adopted.packet_id), adopted])

    def remove(self, packet_id: str) -> None:
        """Take a packet out of force and delete its memory; `NotFound` when it is not in force."""
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
