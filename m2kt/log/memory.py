"""The last checkpoint that somebody saw of each log, on disk: freeze, rollback and split view are measured against it.

Checking a new checkpoint against the stored one and storing it are one step, under a lock that also other processes
respect. Else an older checkpoint, checked earlier and stored later, would roll the memory back.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from m2kt.errors import LogRolledBack, ProofInvalid, SplitView
from m2kt.files import disk_errors, write_atomically
from m2kt.log.checkpoints import Checkpoint, Policy, Prove, Seen, require_fresh
from m2kt.log.notes import Note
from m2kt.log.tree import verify_consistency
from m2kt.signing.keys import KeyId


@dataclass(frozen=True)
class Shelf:
    """One note in one file. `held` must surround reading and writing."""

    path: Path

    @contextmanager
    def held(self) -> Iterator["Shelf"]:
        """Nobody else reads or writes until the block ends; flock ends with its process."""
        with disk_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield self
        finally:
            os.close(lock)

    def read(self) -> bytes | None:
        with disk_errors(self.path):
            return self.path.read_bytes() if self.path.exists() else None

    def write(self, note: bytes) -> None:
        """On the disk (fsync) when this returns."""
        write_atomically(self.path, note, 0o600)


class Memory:
    """Checkpoints in ``directory``, one file for each origin."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def shelf(self, origin: str) -> Shelf:
        return Shelf(self.directory / f"{sha256(origin.encode()).hexdigest()[:32]}.checkpoint")

    def pin(self, key: KeyId, origin: str) -> str:
        """The origin that the holder of ``key`` had when it was first met. A broker that could change its log's name
        would shed its past with it."""
        shelf = Shelf(self.directory / f"{key}.origin")
        with shelf.held():
            known = shelf.read()
            if known is None:
                shelf.write(origin.encode())
            elif known.decode() != origin:
                raise SplitView(f"the log of this broker was {known.decode()}, and is {origin!a} now")
        return origin

    def advance(self, seen: Seen, policy: Policy, prove: Prove, now: int) -> Seen:
        """Take a verified checkpoint in, or raise:

        1. its signed time is recent: `LogFrozen`;
        2. it is not smaller than what was seen, unless it is also older: `LogRolledBack`;
        3. the trees agree: of equal size by their roots, else by a consistency proof: `SplitView`.

        Then the newer of the two is on the disk.
        """
        # 1.
        require_fresh(seen, policy, now)
        shelf = self.shelf(policy.origin)
        with shelf.held():
            stored = shelf.read()
            if stored is not None:
                last = _read(stored)
                # 2.
                if seen.checkpoint.size < last.checkpoint.size and seen.time > last.time:
                    raise LogRolledBack(
                        f"the log {policy.origin} had {last.checkpoint.size} entries and has {seen.checkpoint.size} now"
                    )
                # 3.
                _require_consistent(last, seen, prove)
                if (seen.checkpoint.size, seen.time) <= (last.checkpoint.size, last.time):
                    return seen
            shelf.write(_write(seen))
        return seen


def _write(seen: Seen) -> bytes:
    """A line with the time, then the note. It is not verified again: the log's keys may have changed since."""
    return b"%d\n%b" % (seen.time, seen.note)


def _read(stored: bytes) -> Seen:
    time, _, note = stored.partition(b"\n")
    return Seen(Checkpoint.parse(Note.from_bytes(note).text), note, int(time))


def _require_consistent(one: Seen, other: Seen, prove: Prove) -> None:
    """`SplitView` unless the smaller tree begins the larger one. Equal sizes need no proof from anybody."""
    small, large = sorted((one.checkpoint, other.checkpoint), key=lambda each: each.size)
    proof = prove(small.size, large.size) if small.size < large.size else []
    try:
        verify_consistency(small.size, large.size, small.root, large.root, proof)
    except ProofInvalid as error:
        raise SplitView(f"two checkpoints of {small.origin} contradict each other: {error.detail}") from error
