"""What a student's policy asks of the broker's log."""

from pathlib import Path

import pytest

from m2kt.errors import UsageError
from m2kt.log import Kind, NoteKey
from m2kt.signing.keys import generate
from student_agent.service import log_rules, policy_of
from student_agent.take import Student


def student(root: Path) -> Student:
    return Student(root / "model", root / "state")


def test_the_log_is_asked_for_and_remembered_unless_the_policy_says_otherwise(tmp_path: Path) -> None:
    rules = log_rules(student(tmp_path), policy_of({}))
    assert rules.required
    assert rules.memory is not None
    assert rules.memory.shelf("log.test").path.is_relative_to(tmp_path / "state" / "log")
    assert not log_rules(student(tmp_path), policy_of({"require_log": False})).required


def test_witnesses_are_named_by_their_verifier_keys(tmp_path: Path) -> None:
    witness = NoteKey("w.test/1", generate().public_key(), Kind.COSIGNATURE)
    rules = log_rules(student(tmp_path), policy_of({"witnesses": [witness.text], "quorum": 1}))
    assert (rules.witnesses[0].text, rules.quorum) == (witness.text, 1)
    with pytest.raises(UsageError):
        log_rules(student(tmp_path), policy_of({"witnesses": ["junk"]}))
