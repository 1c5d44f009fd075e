"""What somebody saw of a log stays true: freeze, rollback and split view have names."""

from pathlib import Path

import pytest

from m2kt.errors import LogFrozen, LogRolledBack, SplitView
from m2kt.log import Memory, Seen, open_checkpoint
from m2kt.signing.keys import KeyId

from .conftest import NOW, LogOf, MemoryLog


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    return Memory(tmp_path / "log")


def take(memory: Memory, log: MemoryLog, size: int | None = None, time: int = NOW, now: int = NOW) -> Seen:
    seen = open_checkpoint(log.note(size, time), log.policy)
    return memory.advance(seen, log.policy, log.prove, now)


def remembered(memory: Memory, log: MemoryLog) -> bytes:
    return (memory.shelf(log.policy.origin).read() or b"").partition(b"\n")[2]


def test_a_growing_log_is_followed_and_the_last_checkpoint_is_on_the_disk(memory: Memory, grown: MemoryLog) -> None:
    for size in (0, 3, 3, 7, 10):
        take(memory, grown, size)
    assert remembered(memory, grown) == grown.note(10)
    grown.append(b"more")
    take(memory, grown)
    assert remembered(Memory(memory.directory), grown) == grown.note(11)


def test_a_log_that_is_shorter_than_it_was_is_refused(memory: Memory, grown: MemoryLog) -> None:
    take(memory, grown)
    with pytest.raises(LogRolledBack, match="had 10 entries and has 7"):
        take(memory, grown, 7, time=NOW + 1, now=NOW + 1)
    assert remembered(memory, grown) == grown.note(10)


def test_an_older_view_that_agrees_is_taken_and_does_not_roll_the_memory_back(memory: Memory, grown: MemoryLog) -> None:
    """Two pulls at once: the one that began first ends last."""
    take(memory, grown)
    take(memory, grown, 7, time=NOW - 5)
    assert remembered(memory, grown) == grown.note(10)


@pytest.mark.parametrize("size", [9, 10, 12])
def test_a_log_that_tells_others_something_else_is_refused(memory: Memory, log_of: LogOf, size: int) -> None:
    take(memory, log_of(*(b"%d" % each for each in range(10))))
    other = log_of(*(b"%d" % each if each != 4 else b"forged" for each in range(12)))
    with pytest.raises(SplitView):
        take(memory, other, size)


def test_a_log_that_cannot_prove_its_growth_is_refused(memory: Memory, grown: MemoryLog) -> None:
    take(memory, grown, 4)
    seen = open_checkpoint(grown.note(), grown.policy)
    with pytest.raises(SplitView):
        memory.advance(seen, grown.policy, lambda old, new: [], NOW)
    assert remembered(memory, grown) == grown.note(4)


def test_a_log_that_stands_still_is_refused_although_its_signature_holds(memory: Memory, grown: MemoryLog) -> None:
    take(memory, grown)
    with pytest.raises(LogFrozen, match="3601 s ago"):
        take(memory, grown, time=NOW, now=NOW + 3601)


def test_signing_the_same_tree_again_keeps_it_fresh(memory: Memory, grown: MemoryLog) -> None:
    take(memory, grown)
    take(memory, grown, time=NOW + 3000, now=NOW + 3000)
    take(memory, grown, time=NOW + 3000, now=NOW + 6000)


def test_a_broker_cannot_shed_its_past_with_its_logs_name(memory: Memory) -> None:
    key = KeyId("a" * 64)
    assert memory.pin(key, "log.test/one") == memory.pin(key, "log.test/one") == "log.test/one"
    with pytest.raises(SplitView, match="was log"):
        memory.pin(key, "log.test/two")
