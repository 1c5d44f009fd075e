"""A packet is taken, or the student is left as it was, by real processes."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from m2kt.agent.child import Progress, run_child
from m2kt.errors import UnknownKey
from m2kt.packet.knowledge import Knowledge
from m2kt.signing import TrustStore
from student_agent.activation import State
from student_agent.take import Decision, Outcome, Policy, Student, take
from tests.small import small_knowledge
from tests.student_agent.parts import PAIRS, Signed, signed, write_checks


def student_of(model: Path, home: Path) -> Student:
    """A student with sealed checks and text of another kind."""
    home.mkdir()
    general = home / "general.txt"
    general.write_text("the cat sat\nq > r\n")
    checks = write_checks(home / "checks.jsonl")
    return Student(model, home / "state", checks, general, "cpu", threads=1, schedule={"steps": 60})


def taken(packet: Signed, student: Student, seen: list[Progress]) -> Outcome:
    trust = TrustStore.from_directory(packet.trust)
    return take(packet.path.read_bytes(), trust, student, Policy(), seen.append, student.state.parent / "log")


def digest_of(directory: Path) -> dict[str, str]:
    return {each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in directory.iterdir()}


def logits(student: Student, out: Path) -> bytes:
    """Logits on fixed prompts, from a fresh process."""
    prompts = out.parent / "prompts.txt"
    prompts.write_text("1 + 2 =\n0 + 0 =\nthe cat\np >\n")
    spec = {"model": str(student.model), "prompts": str(prompts), "state": str(student.state), "out": str(out)}
    run_child("student_agent", "logits", {**spec, "device": "cpu", "threads": 1})
    return out.read_bytes()


def test_a_packet_that_helps_is_accepted_and_leaves_without_a_trace(
    addition_packet: Signed, student_directory: Path, tmp_path: Path
) -> None:
    student = student_of(student_directory, tmp_path / "home")
    weights = digest_of(student_directory)
    before = logits(student, tmp_path / "before.bin")
    seen: list[Progress] = []
    outcome = taken(addition_packet, student, seen)
    during = logits(student, tmp_path / "during.bin")

    assert outcome.decision == Decision.ACCEPTED
    assert outcome.behaviour is not None
    assert (outcome.behaviour["accuracy_before"], outcome.behaviour["accuracy_after"]) == (0.0, 1.0)
    assert outcome.behaviour["improvement_low"] > 0.7
    assert outcome.alignment["steps"] == 60
    assert {each.step for each in seen} == {"alignment", "student before", "student after"}
    assert [each.packet_id for each in State(student.state).active()] == [outcome.packet_id]
    assert not list(student.state.glob(".take-*"))

    State(student.state).remove(outcome.packet_id)
    after = logits(student, tmp_path / "after.bin")
    assert before == after != during
    assert len(before) == 4 * 14 * 4  # prompts, vocabulary, bytes of a float
    assert digest_of(student_directory) == weights


def wrong_knowledge() -> Knowledge:
    """Every sum comes out one too high."""
    small = small_knowledge()
    one_more = [PAIRS.index((a, (b + 1) % 3)) for a, b in PAIRS]
    return replace(small, centroids=small.centroids[one_more])


def test_a_packet_that_does_not_help_leaves_everything_as_it_was(student_directory: Path, tmp_path: Path) -> None:
    packet = signed(tmp_path, wrong_knowledge(), "wrong")
    student = student_of(student_directory, tmp_path / "home")
    outcome = taken(packet, student, [])
    assert outcome.decision == Decision.ROLLED_BACK
    assert "not proven" in outcome.reason
    assert outcome.behaviour is not None
    assert outcome.behaviour["accuracy_after"] == 0.0
    assert State(student.state).active() == []
    assert list(student.state.iterdir()) == []


def test_a_packet_that_nobody_trusted_signed_starts_no_process(
    addition_packet: Signed, student_directory: Path, tmp_path: Path
) -> None:
    student = student_of(student_directory, tmp_path / "home")
    with pytest.raises(UnknownKey):
        take(addition_packet.path.read_bytes(), TrustStore(), student, Policy(), lambda _: None, tmp_path / "log")
    assert not student.state.exists()
    assert not (tmp_path / "log").exists()
