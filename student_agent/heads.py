"""Which static packets a student has grounded: directories of heads and one pointer that is replaced atomically.

    STATE/heads/<packet digest>-<random>/   whole heads, written before they are pointed at, never changed after
    STATE/heads.json                        the pointer

They stand beside the memories of `student_agent.activation` under the same lock; neither reads the other.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from m2kt.errors import NotFound, RuntimeFault, UsageError
from m2kt.files import disk_errors, sync_directory, write_atomically
from student_agent.activation import State

POINTER, SCHEMA = "heads.json", "m2kt.heads/1"


@dataclass(frozen=True)
class HeadInForce:
    """A grounded packet (``name@version``) and the directory of its head."""

    packet_id: str
    packet: str
    directory: str


@dataclass(frozen=True)
class Heads:
    """The heads in one student's state directory."""

    root: Path

    def active(self) -> list[HeadInForce]:
        """What is in force, in order of grounding."""
        try:
            found = json.loads((self.root / POINTER).read_bytes())
            if found["schema"] != SCHEMA:
                raise ValueError("another schema than this version's")
            return [HeadInForce(**each) for each in found["heads"]]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RuntimeFault(f"{self.root / POINTER} cannot be read: {error!r}") from error

    def path(self, head: HeadInForce) -> Path:
        return self.root / "heads" / head.directory

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A directory that a head may be written into, gone afterwards if it was not adopted."""
        home = self.root / "heads"
        with disk_errors(home):
            home.mkdir(parents=True, exist_ok=True)
            fresh = Path(tempfile.mkdtemp(dir=home, prefix=".new-"))
        try:
            yield fresh
        finally:
            shutil.rmtree(fresh, ignore_errors=True)

    def adopt(self, fresh: Path, told: dict[str, Any]) -> None:
        """Put the head in ``fresh`` in force, in place of the one of the same packet or of another version of it."""
        packet_id, packet = str(told["packet_id"]), str(told["packet"])
        name = f"{packet_id.removeprefix('sha256:')[:16]}-{fresh.name.removeprefix('.new-')}"
        with State(self.root).changing():
            with disk_errors(self.root):
                os.replace(fresh, self.root / "heads" / name)
                sync_directory(self.root / "heads")
            kept = [
                each for each in self.active() if each.packet_id != packet_id and _name(each.packet) != _name(packet)
            ]
            self._point([*kept, HeadInForce(packet_id, packet, name)])

    def remove(self, packet_id: str) -> None:
        """Take a head out of force and delete it; `NotFound` when it is not there."""
        with State(self.root).changing():
            kept = [each for each in self.active() if each.packet_id != packet_id]
            if len(kept) == len(self.active()):
                raise NotFound(f"{packet_id} is not active here")
            self._point(kept)

    def find(self, wanted: str | None) -> Path:
        """The one head in force, or that of ``wanted``: a packet's id, its name or name@version."""
        there = self.active()
        told = ", ".join(each.packet for each in there) or "nothing"
        found = [each for each in there if wanted in (None, each.packet_id, each.packet, _name(each.packet))]
        if not found:
            raise NotFound(
                f"no head {f'of {wanted} ' if wanted else ''}is in force in {self.root}",
                hint=f"In force: {told}. Ground a packet first: `python -m student_agent ground`.",
            )
        if len(found) > 1:
            raise UsageError("several heads are in force", hint=f"Name one with --packet: {told}.")
        return self.path(found[0])

    def _point(self, heads: list[HeadInForce]) -> None:
        pointer = {"schema": SCHEMA, "heads": [asdict(each) for each in heads]}
        write_atomically(self.root / POINTER, json.dumps(pointer).encode())
        kept = {each.directory for each in heads}
        for directory in (self.root / "heads").iterdir():
            if directory.name not in kept and not directory.name.startswith(".new-"):
                shutil.rmtree(directory, ignore_errors=True)


def _name(packet: str) -> str:
    return packet.rpartition("@")[0]
