"""Packets come into force and leave it; nothing lies between, whatever happens."""

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from m2kt.errors import DiskFull, ModelError, NotFound, RuntimeFault
from student_agent.activation import LOCK, POINTER, SCHEMA, Active, State
from student_agent.card import CARD, WEIGHTS, Card

FIRST, SECOND = "sha256:" + "1" * 64, "sha256:" + "2" * 64


def trained(directory: Path, packet_id: str) -> Path:
    """A directory as training leaves it; activation looks at the card only."""
    directory.mkdir()
    (directory / WEIGHTS).write_bytes(b"weights of " + packet_id.encode())
    (directory / CARD).write_bytes(Card(packet_id, "a@1.0.0", "sha256:0", {}, {}).to_bytes())
    return directory


@pytest.fixture
def first(tmp_path: Path) -> Path:
    return trained(tmp_path / "first", FIRST)


@pytest.fixture
def second(tmp_path: Path) -> Path:
    return trained(tmp_path / "second", SECOND)


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / "state")


def take(state: State, memory: Path) -> Active:
    adopted = state.adopt(memory)
    state.activate(adopted)
    return adopted


def ids(state: State) -> list[str]:
    return [each.packet_id for each in state.active()]


def on_disk(state: State) -> set[str]:
    home = state.root / "memories"
    return set(os.listdir(home)) if home.exists() else set()


def test_nothing_is_active_in_a_new_state(state: State) -> None:
    assert state.active() == []
    assert state.memories() == []


def test_what_is_adopted_is_not_in_force_before_it_is_activated(state: State, first: Path) -> None:
    adopted = state.adopt(first)
    assert state.active() == []
    state.activate(adopted)
    assert state.active() == [adopted]
    (memory,) = state.memories()
    assert (memory / WEIGHTS).read_bytes() == (first / WEIGHTS).read_bytes()


def test_packets_stand_in_the_order_of_their_activation(state: State, first: Path, second: Path) -> None:
    take(state, first)
    take(state, second)
    assert ids(state) == [FIRST, SECOND]


def test_a_packet_taken_twice_is_active_once_with_its_new_memory(state: State, first: Path, second: Path) -> None:
    old = take(state, first)
    take(state, second)
    new = take(state, first)
    assert ids(state) == [SECOND, FIRST]
    assert old.memory not in on_disk(state)
    assert new.memory in on_disk(state)


def test_a_removed_packet_leaves_nothing_and_the_others_stay(state: State, first: Path, second: Path) -> None:
    take(state, first)
    kept = take(state, second)
    state.remove(FIRST)
    assert state.active() == [kept]
    assert on_disk(state) == {kept.memory}
    with pytest.raises(NotFound, match="not active"):
        state.remove(FIRST)


def test_a_memory_that_is_not_there_is_never_pointed_at(state: State, first: Path) -> None:
    adopted = state.adopt(first)
    shutil.rmtree(state.root / "memories" / adopted.memory)
    with pytest.raises(ModelError):
        state.activate(adopted)
    assert state.active() == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"schema": "x"}',
        f'{{"schema": "{SCHEMA}"}}',
        f'{{"schema": "{SCHEMA}", "packets": [{{}}]}}',
    ],
)
def test_a_damaged_pointer_is_named(state: State, text: str) -> None:
    state.root.mkdir()
    (state.root / POINTER).write_text(text)
    with pytest.raises(RuntimeFault, match=POINTER):
        state.active()


# Crashes

SCRIPT = """
import os, sys
from pathlib import Path
from student_agent.activation import State
root, memory, last = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
state, seen = State(root), 0
CHANGES = ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.chmod", "tempfile.mkdtemp", "tempfile.mkstemp")

def die(event, arguments):
    global seen
    if event in CHANGES and str(root) in str(arguments[0]):
        seen += 1
        if seen == last:
            os._exit(9)

sys.addaudithook(die)
if memory:
    with state.changing():
        state.activate(state.adopt(Path(memory)))
else:
    state.remove(state.active()[0].packet_id)
"""


def dies_at(root: Path, memory: str, step: int) -> bool:
    """Run a change of the state in a process that ends, without a word, before its ``step``-th file operation."""
    command = [sys.executable, "-c", SCRIPT, str(root), memory, str(step)]
    return subprocess.run(command, check=False).returncode == 9


def crashes(root: Path, before: Path, memory: str) -> list[list[str]]:
    """What is active after a crash at every point of a change that starts from ``before``."""
    found = []
    for step in range(1, 100):
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(before, root)
        died = dies_at(root, memory, step)
        state = State(root)
        found.append(ids(state))
        assert all((each / WEIGHTS).is_file() and (each / CARD).is_file() for each in state.memories())
        if not died:
            return found
    raise AssertionError("the change never came to its end")


def test_a_crash_at_any_point_of_a_take_leaves_the_old_or_the_new(
    tmp_path: Path, state: State, first: Path, second: Path
) -> None:
    take(state, first)
    found = crashes(tmp_path / "crashed", state.root, str(second))
    old, new = [FIRST], [FIRST, SECOND]
    turn = found.index(new)
    assert len(found) > 10
    assert found == [old] * turn + [new] * (len(found) - turn)


def test_a_crash_at_any_point_of_a_removal_leaves_the_old_or_the_new(
    tmp_path: Path, state: State, first: Path, second: Path
) -> None:
    take(state, first)
    take(state, second)
    found = crashes(tmp_path / "crashed", state.root, "")
    turn = found.index([SECOND])
    assert found == [[FIRST, SECOND]] * turn + [[SECOND]] * (len(found) - turn)


def test_what_a_crash_left_is_swept_by_the_next_change(tmp_path: Path, state: State, first: Path, second: Path) -> None:
    take(state, first)
    assert dies_at(state.root, str(second), 8)
    assert len(on_disk(state)) == 2
    take(state, second)
    assert on_disk(state) == {each.memory for each in state.active()}
    assert not [each for each in state.root.iterdir() if each.name not in (POINTER, LOCK, "memories")]


def test_processes_that_take_at_once_all_get_their_packet_in(tmp_path: Path, state: State) -> None:
    packets = [f"sha256:{n:064x}" for n in range(2**252, 2**252 + 6)]
    memories = [trained(tmp_path / f"memory{n}", packet) for n, packet in enumerate(packets)]
    command = [sys.executable, "-c", SCRIPT, str(state.root)]
    children = [subprocess.Popen([*command, str(each), "0"]) for each in memories]
    assert [each.wait(60) for each in children] == [0] * 6
    assert sorted(ids(state)) == packets
    assert on_disk(state) == {each.memory for each in state.active()}


# A full disk


@pytest.mark.parametrize("call", ["os.fsync", "os.replace", "os.open"])
def test_a_full_disk_leaves_what_was_in_force(
    state: State, first: Path, second: Path, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = take(state, first)
    room, real = 0, getattr(os, call.removeprefix("os."))

    def fill(*arguments: object, **options: object) -> object:
        nonlocal room
        room -= 1
        if room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(*arguments, **options)

    refused = 0
    for tries in range(30):
        room = tries
        with monkeypatch.context() as patch:
            patch.setattr(call, fill)
            try:
                take(state, second)
            except DiskFull:
                refused += 1
        if ids(state) == [FIRST, SECOND]:
            break
        assert state.active() == [kept]
    assert refused >= 2
    assert ids(state) == [FIRST, SECOND]


def test_the_pointer_is_plain_json(state: State, first: Path) -> None:
    adopted = take(state, first)
    pointer = json.loads((state.root / POINTER).read_bytes())
    assert pointer == {"schema": SCHEMA, "packets": [{"packet_id": FIRST, "memory": adopted.memory}]}
