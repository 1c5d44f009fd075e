"""A checkpoint counts when its log signed it, enough witnesses did, and a recent time is signed with it."""

from dataclasses import replace

import pytest

from m2kt.errors import CheckpointInvalid, LogFrozen, UsageError
from m2kt.log import Checkpoint, Kind, Note, NoteKey, Policy, issue, open_checkpoint, require_fresh
from m2kt.log.notes import cosign, sign
from m2kt.signing.keys import generate

from .conftest import NOW, ORIGIN, MemoryLog


def witnessed(note: bytes, *witnesses: tuple[str, object, int]) -> bytes:
    found = Note.from_bytes(note)
    return found.with_signatures([cosign(name, key, found.text, at) for name, key, at in witnesses]).to_bytes()  # type: ignore[arg-type]


def test_the_example_of_the_specification_is_read() -> None:
    text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    checkpoint = Checkpoint.parse(text)
    assert (checkpoint.origin, checkpoint.size, checkpoint.root.hex()[:4]) == (
        "example.com/behind-the-sofa",
        20852163,
        "0ac5",
    )
    assert checkpoint.text == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "log\n1\n",
        "log\n01\n" + "A" * 43 + "=\n",
        "log\n-1\n" + "A" * 43 + "=\n",
        "log\n1\n" + "A" * 42 + "B=\n",
        "log\n1\n" + "A" * 40 + "\n",
        "log\n1\n" + "A" * 43 + "=",
        "log\n1\n" + "A" * 43 + "=\nextension\n",
        "\n1\n" + "A" * 43 + "=\n",
        "a log\n1\n" + "A" * 43 + "=\n",
        "a+log\n1\n" + "A" * 43 + "=\n",
        "cosignature/v1\n1\n" + "A" * 43 + "=\n",
        "log\n1٠\n" + "A" * 43 + "=\n",
        "log\n" + "9" * 30 + "\n" + "A" * 43 + "=\n",
    ],
)
def test_other_texts_are_no_checkpoint(text: str) -> None:
    with pytest.raises(CheckpointInvalid):
        Checkpoint.parse(text)


def test_a_signed_checkpoint_opens_and_says_when(grown: MemoryLog) -> None:
    seen = open_checkpoint(grown.note(), grown.policy)
    assert (seen.checkpoint, seen.time) == (grown.checkpoint(), NOW)


def test_another_log_and_another_key_are_refused(grown: MemoryLog) -> None:
    with pytest.raises(CheckpointInvalid, match="expected other"):
        open_checkpoint(grown.note(), replace(grown.policy, origin="other"))
    with pytest.raises(CheckpointInvalid, match="no key"):
        open_checkpoint(grown.note(), replace(grown.policy, keys=(generate().public_key(),)))


def test_the_log_must_sign_plainly_and_with_a_time(grown: MemoryLog) -> None:
    text = grown.checkpoint().text
    with pytest.raises(CheckpointInvalid, match="no key of the log"):
        open_checkpoint(Note(text, (cosign(ORIGIN, grown.key, text, NOW),)).to_bytes(), grown.policy)
    with pytest.raises(CheckpointInvalid, match="no time"):
        open_checkpoint(Note(text, (sign(ORIGIN, grown.key, text),)).to_bytes(), grown.policy)


def test_a_quorum_is_of_distinct_keys_and_its_time_is_the_one_that_all_of_it_confirms(grown: MemoryLog) -> None:
    keys = [generate() for _ in range(3)]
    known = tuple(NoteKey(f"w{n}", each.public_key(), Kind.COSIGNATURE) for n, each in enumerate(keys))
    policy = replace(grown.policy, witnesses=known, quorum=2)
    with pytest.raises(CheckpointInvalid, match="1 of the witnesses cosigned it, 2 must"):
        open_checkpoint(witnessed(grown.note(), ("w0", keys[0], NOW)), policy)
    note = witnessed(grown.note(), ("w0", keys[0], NOW - 10), ("w1", keys[1], NOW - 90), ("w2", keys[2], NOW - 500))
    assert open_checkpoint(note, policy).time == NOW - 90
    twice = tuple(NoteKey(name, keys[0].public_key(), Kind.COSIGNATURE) for name in ("w0", "again"))
    twin = witnessed(grown.note(), ("w0", keys[0], NOW), ("again", keys[0], NOW))
    with pytest.raises(UsageError, match="a key of its own"):
        replace(grown.policy, witnesses=twice, quorum=2)
    with pytest.raises(CheckpointInvalid, match="1 of the witnesses"):
        open_checkpoint(twin, replace(policy, witnesses=(*twice, known[1]), quorum=2))


def test_the_logs_own_clock_does_not_count_where_witnesses_are_asked_for(grown: MemoryLog) -> None:
    key = generate()
    witness = NoteKey("w", key.public_key(), Kind.COSIGNATURE)
    policy = Policy(ORIGIN, grown.policy.keys, (witness,), 1)
    seen = open_checkpoint(witnessed(grown.note(time=NOW), ("w", key, NOW - 7200)), policy)
    with pytest.raises(LogFrozen):
        require_fresh(seen, policy, NOW)


@pytest.mark.parametrize(("age", "refused"), [(0, False), (3600, False), (3601, True), (-300, False)])
def test_a_checkpoint_may_be_an_hour_old(grown: MemoryLog, age: int, refused: bool) -> None:
    seen = open_checkpoint(grown.note(time=NOW - age), grown.policy)
    if refused:
        with pytest.raises(LogFrozen, match="3601 s ago"):
            require_fresh(seen, grown.policy, NOW)
    else:
        require_fresh(seen, grown.policy, NOW)


def test_a_time_in_the_future_is_refused(grown: MemoryLog) -> None:
    seen = open_checkpoint(grown.note(time=NOW + 301), grown.policy)
    with pytest.raises(CheckpointInvalid, match="future"):
        require_fresh(seen, grown.policy, NOW)


def test_a_checkpoint_of_no_entries_can_be_signed() -> None:
    log = MemoryLog()
    note = issue(log.checkpoint(0), log.key, NOW).to_bytes()
    assert open_checkpoint(note, log.policy).checkpoint.size == 0
