"""Logs in memory: leaves, tiles, checkpoints."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from m2kt.log import Checkpoint, Policy, issue, tiles, tree
from m2kt.packet.merkle import leaf_hash
from m2kt.signing.keys import PrivateKey, generate

NOW = 1_800_000_000
ORIGIN = "log.test/m2kt"


@dataclass
class MemoryLog:
    """A log that can be anything: honest, rolled back, forked."""

    key: PrivateKey = field(default_factory=generate)
    entries: list[bytes] = field(default_factory=list)
    tiles: dict[tuple[int, int], bytes] = field(default_factory=dict)

    def append(self, *entries: bytes) -> None:
        leaves = [leaf_hash(each) for each in entries]
        self.tiles |= tiles.extend(lambda level, n: self.tiles[level, n], len(self.entries), leaves)
        self.entries += entries

    @property
    def read(self) -> tree.Read:
        return tiles.reader(lambda level, n: self.tiles[level, n])

    def checkpoint(self, size: int | None = None) -> Checkpoint:
        size = len(self.entries) if size is None else size
        return Checkpoint(ORIGIN, size, tree.root(self.read, size))

    def note(self, size: int | None = None, time: int = NOW) -> bytes:
        return issue(self.checkpoint(size), self.key, time).to_bytes()

    def prove(self, old: int, new: int) -> list[bytes]:
        return tree.consistency_proof(self.read, old, new)

    @property
    def policy(self) -> Policy:
        return Policy(ORIGIN, (self.key.public_key(),))


LogOf = Callable[..., MemoryLog]


@pytest.fixture(scope="session")
def log_key() -> PrivateKey:
    return generate()


@pytest.fixture
def log_of(log_key: PrivateKey) -> LogOf:
    """A log of these entries, all logs with one key: a split view is two of them."""

    def make(*entries: bytes) -> MemoryLog:
        log = MemoryLog(log_key)
        log.append(*entries)
        return log

    return make


@pytest.fixture
def grown(log_of: LogOf) -> MemoryLog:
    """Ten entries."""
    return log_of(*(b"entry %d" % each for each in range(10)))
