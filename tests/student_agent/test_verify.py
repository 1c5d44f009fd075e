"""Behaviour is counted and perplexity computed as by hand."""

from math import exp
from pathlib import Path

import pytest
import torch

from m2kt.errors import UsageError
from m2kt.neural.models import LanguageModel
from student_agent.aligned import AlignedStudent
from student_agent.checks import Check
from student_agent.statistics import improvement_bound
from student_agent.verify import Behaviour, behave, compare, perplexity, read_sentences
from tests.student_agent.parts import PAIRS, Taught

SENTENCES = ["the cat sat", "1 + 1 = 2", "the cat", "the cat sat the cat sat", "q"]


def by_hand(student: AlignedStudent, texts: list[str]) -> float:
    """One token at a time, from the distribution at the end of what stands before it."""
    total, count = 0.0, 0
    for text in texts:
        ids = student.lm.tokenizer(text)["input_ids"]
        for place in range(1, len(ids)):
            logs = student.next_logits(torch.tensor([ids[:place]])).double().log_softmax(-1)
            total, count = total - float(logs[0, ids[place]]), count + 1
    return exp(total / count)


def test_perplexity_is_that_of_the_hand(student: LanguageModel, addition: Taught) -> None:
    for speaker in (AlignedStudent(student), AlignedStudent(student, (addition.memory,))):
        assert perplexity(speaker, SENTENCES) == pytest.approx(by_hand(speaker, SENTENCES), rel=1e-4)


def test_a_memory_lowers_the_perplexity_of_its_domain_and_leaves_other_text(
    student: LanguageModel, addition: Taught
) -> None:
    sums = [f"{a} + {b} = {(a + b) % 3}" for a, b in PAIRS]
    bare, taught = AlignedStudent(student), AlignedStudent(student, (addition.memory,))
    assert perplexity(taught, sums) < perplexity(bare, sums)
    assert perplexity(taught, ["the cat sat"]) == pytest.approx(perplexity(bare, ["the cat sat"]), rel=1e-3)


def test_text_without_two_tokens_has_no_perplexity(student: LanguageModel) -> None:
    with pytest.raises(UsageError, match="two tokens"):
        perplexity(AlignedStudent(student), ["q", "the"])


def test_text_longer_than_the_students_context_is_refused(student: LanguageModel) -> None:
    with pytest.raises(UsageError, match="no room in the 64 positions"):
        perplexity(AlignedStudent(student), [" ".join(["the"] * 65)])


def test_every_check_is_answered_and_judged(student: LanguageModel, addition: Taught) -> None:
    checks = [Check(f"{a} + {b} =", str((a + b) % 3 if a else 9), ()) for a, b in PAIRS]
    found = behave(AlignedStudent(student, (addition.memory,)), checks, ["the cat"], 8, "after")
    assert found.right == (False,) * 3 + (True,) * 6
    assert found.accuracy == pytest.approx(6 / 9)
    assert found.perplexity is not None
    assert behave(AlignedStudent(student), checks, [], 8, "before") == Behaviour((False,) * 9, None)


def test_the_comparison_counts_what_turned() -> None:
    before = Behaviour((True, True, False, False, False), None)
    after = Behaviour((True, False, True, True, False), None)
    found = compare(before, after, 0.9)
    assert (found["gained"], found["lost"], found["confidence"]) == (2, 1, 0.9)
    assert found["improvement"] == pytest.approx(1 / 5)
    assert found["improvement_low"] == improvement_bound(2, 1, 5, 0.9)


def test_a_comparison_of_unequal_checks_is_a_defect() -> None:
    with pytest.raises(ValueError, match="longer"):
        compare(Behaviour((True,), None), Behaviour((True, True), None), 0.95)


def test_blank_lines_are_no_sentences(tmp_path: Path) -> None:
    path = tmp_path / "general.txt"
    path.write_text("one\n\n  \ntwo\n")
    assert read_sentences(path) == ["one", "two"]
    with pytest.raises(UsageError, match="cannot read"):
        read_sentences(tmp_path / "none.txt")
