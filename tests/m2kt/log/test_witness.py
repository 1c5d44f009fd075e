"""A witness cosigns what begins with what it cosigned before, and nothing else. The answers are C2SP's."""

import threading
from pathlib import Path

import pytest

from m2kt.log import Checkpoint, Note, Witness, memory, witness
from m2kt.log.notes import verify
from m2kt.log.witness import Answer, Request
from m2kt.signing.keys import generate

from .conftest import NOW, ORIGIN, LogOf, MemoryLog


def watching(log: MemoryLog, directory: Path) -> Witness:
    return Witness("witness.test/w", generate(), {ORIGIN: log.policy.keys}, directory, lambda: NOW)


@pytest.fixture
def watcher(grown: MemoryLog, tmp_path: Path) -> Witness:
    return watching(grown, tmp_path)


def ask(watcher: Witness, log: MemoryLog, old: int, new: int) -> Answer:
    return watcher.add_checkpoint(Request(old, tuple(log.prove(old, new)), log.note(new)).to_bytes())


def known_size(watcher: Witness) -> int:
    stored = watcher._memory.shelf(ORIGIN).read()
    return Checkpoint.parse(Note.from_bytes(stored).text).size if stored else 0


def test_it_cosigns_a_log_that_grows(watcher: Witness, grown: MemoryLog) -> None:
    for old, new in ((0, 4), (4, 4), (4, 9), (9, 10)):
        answer = ask(watcher, grown, old, new)
        assert answer.status == 200
        note = Note.from_bytes(grown.note(new) + answer.body.encode())
        signed = verify(note, [watcher.verifier])
        assert (signed[0].by.name, signed[0].time) == ("witness.test/w", NOW)
    assert known_size(watcher) == 10


def test_unknown_logs_are_404(watcher: Witness, grown: MemoryLog, tmp_path: Path) -> None:
    other = Witness("w", generate(), {"another": grown.policy.keys}, tmp_path / "other", lambda: NOW)
    assert ask(other, grown, 0, 4).status == 404


def test_other_keys_are_403(grown: MemoryLog, tmp_path: Path) -> None:
    other = Witness("w", generate(), {ORIGIN: (generate().public_key(),)}, tmp_path / "other", lambda: NOW)
    assert ask(other, grown, 0, 4).status == 403


def test_a_stale_old_size_is_409_with_the_size_that_it_has(watcher: Witness, grown: MemoryLog) -> None:
    ask(watcher, grown, 0, 7)
    answer = ask(watcher, grown, 4, 10)
    assert (answer.status, answer.body, answer.media_type) == (409, "7\n", "text/x.tlog.size")
    assert known_size(watcher) == 7


def test_two_roots_of_one_size_are_409(watcher: Witness, grown: MemoryLog, log_of: LogOf) -> None:
    ask(watcher, grown, 0, 10)
    assert ask(watcher, log_of(*(b"x%d" % each for each in range(10))), 10, 10).status == 409


def test_a_forked_log_is_422(watcher: Witness, grown: MemoryLog, log_of: LogOf) -> None:
    ask(watcher, grown, 0, 6)
    fork = log_of(*(b"x%d" % each for each in range(10)))
    assert ask(watcher, fork, 6, 10).status == 422
    assert known_size(watcher) == 6


def test_a_proof_from_nothing_is_422(watcher: Witness, grown: MemoryLog) -> None:
    assert watcher.add_checkpoint(Request(0, (bytes(32),), grown.note()).to_bytes()).status == 422


def test_a_log_that_would_shrink_is_400(watcher: Witness, grown: MemoryLog) -> None:
    ask(watcher, grown, 0, 10)
    assert watcher.add_checkpoint(Request(10, (), grown.note(4)).to_bytes()).status == 400
    assert known_size(watcher) == 10


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"old 0\n",
        b"old 00\n\n",
        b"old -1\n\n",
        b"new 0\n\nx\n1\n",
        b"old 0\nAAAA\n\n",
        b"old 0\n" + (b"A" * 43 + b"=\n") * 64 + b"\n",
        "old ٠\n\n".encode(),
        b"old 0\n\nno note\n",
    ],
)
def test_what_cannot_be_read_is_400(watcher: Witness, grown: MemoryLog, body: bytes) -> None:
    assert watcher.add_checkpoint(body + (b"" if b"note" in body else grown.note())).status == 400


def test_it_forgets_nothing_when_it_starts_again(watcher: Witness, grown: MemoryLog, tmp_path: Path) -> None:
    ask(watcher, grown, 0, 7)
    again = watching(grown, tmp_path)
    assert ask(again, grown, 0, 4).body == "7\n"
    assert ask(again, grown, 7, 10).status == 200


def test_it_answers_only_after_the_checkpoint_is_stored(
    watcher: Witness, grown: MemoryLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: memory.Shelf, note: bytes) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(memory.Shelf, "write", full)
    with pytest.raises(OSError, match="no space"):
        ask(watcher, grown, 0, 4)


def race(
    watcher: Witness, grown: MemoryLog, monkeypatch: pytest.MonkeyPatch, patience: float
) -> tuple[list[Answer], bool]:
    """The specification's race: A(4) is checked; B(10) is checked, stored and answered; then A is stored.

    A waits inside its check until B has answered or ``patience`` seconds have gone: under a lock, B cannot.
    """
    a_checked, b_done = threading.Event(), threading.Event()
    check = witness._check_growth
    overtaken = []

    def slow(size: int, old_root: bytes, checkpoint: Checkpoint, proof: tuple[bytes, ...]) -> None:
        check(size, old_root, checkpoint, proof)
        if checkpoint.size == 4:
            a_checked.set()
            overtaken.append(b_done.wait(patience))

    monkeypatch.setattr(witness, "_check_growth", slow)
    answers: list[Answer] = []

    def later() -> None:
        a_checked.wait(60)
        answers.append(ask(watcher, grown, 0, 10))
        b_done.set()

    other = threading.Thread(target=later)
    other.start()
    answers.insert(0, ask(watcher, grown, 0, 4))
    other.join(60)
    return answers, overtaken[0]


def test_the_race_of_the_specification_does_not_roll_it_back(
    watcher: Witness, grown: MemoryLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first, second), overtaken = race(watcher, grown, monkeypatch, patience=0.5)
    assert not overtaken
    assert first.status == 200
    assert (second.status, second.body) == (409, "4\n")
    assert known_size(watcher) == 4


def test_without_the_lock_the_race_rolls_it_back(
    watcher: Witness, grown: MemoryLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shows that the test above tests something."""
    monkeypatch.setattr(memory.fcntl, "flock", lambda *_: None)
    (first, second), overtaken = race(watcher, grown, monkeypatch, patience=60)  # a busy disk must not decide
    assert overtaken
    assert (first.status, second.status) == (200, 200)
    assert known_size(watcher) == 4  # after it had cosigned 10: the rollback
