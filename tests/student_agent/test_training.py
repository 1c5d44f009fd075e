"""A tiny student learns what the packet says: the truth from a true packet, the untruth from a false one."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from m2kt.errors import AlignmentRefused, UsageError
from m2kt.neural.models import LanguageModel, load, weights_sha256
from m2kt.packet import controls
from m2kt.packet.knowledge import Knowledge
from m2kt.packet.plane import heard
from student_agent.align import schedule_of
from student_agent.aligned import AlignedStudent
from student_agent.training import Schedule
from tests.small import negated_knowledge, small_knowledge
from tests.student_agent.parts import PAIRS, SUMS, Taught, teach

TRUTH = [str((a + b) % 3) for a, b in PAIRS]


def answers(student: LanguageModel, taught: Taught) -> list[str]:
    return [each.strip() for each in AlignedStudent(student, (taught.memory,)).write(SUMS, 4)]


def decoded(knowledge: Knowledge) -> list[str]:
    return [knowledge.symbols[knowledge.anchor_strings[each]] for each in controls.decoded(knowledge)]


def test_the_loss_falls(addition: Taught) -> None:
    losses = addition.report["losses"]
    assert len(losses) == 10
    assert losses[-1] < 0.1 * losses[0]


def test_the_student_answers_every_sum_and_ends(student: LanguageModel, addition: Taught) -> None:
    assert answers(student, addition) == TRUTH
    assert AlignedStudent(student).write(SUMS, 4) == [""] * 9


def test_the_report_says_what_was_shared_and_what_was_trained(addition: Taught) -> None:
    report = addition.report
    assert (report["coverage"], report["agreement"], report["shared_symbols"], report["steps"]) == (1.0, 1.0, 3, 60)
    assert report["trained_parameters"] == sum(each.numel() for each in addition.memory.parameters())


def test_the_report_says_where_the_concepts_came_to_lie(addition: Taught) -> None:
    plane = heard(addition.report["map"], 9)
    assert np.isfinite(plane.points).all()
    assert 0.5 < sum(plane.shares) <= 1.0


@pytest.mark.parametrize("control", [controls.shuffled, controls.random])
def test_a_false_packet_makes_the_student_say_what_it_says(student: LanguageModel, control: Any) -> None:
    false = control(small_knowledge(), 9)
    said = answers(student, teach(student, false))
    assert said == decoded(false)
    assert sum(each == true for each, true in zip(said, TRUTH, strict=True)) <= 4


def test_the_answers_alone_teach_this_task_as_well(student: LanguageModel) -> None:
    assert answers(student, teach(student, controls.answers_only(small_knowledge()))) == TRUTH


def test_symbols_of_several_tokens_are_pointed_at_and_spelled_out(tmp_path: Path) -> None:
    """Every letter is a token; `one` begins like `oneself`, so that ending a symbol is something to be learned too."""
    from tests.models import silent_letters

    knowledge = replace(small_knowledge(), symbols=("zero", "one", "oneself", "+", "="))
    student = load(silent_letters(tmp_path))
    taught = teach(student, knowledge, Schedule(steps=150))
    assert taught.report["longest_symbol"] == 8  # with the space before it
    words = knowledge.symbols
    prompts = [f"{words[a]} + {words[b]} =" for a, b in PAIRS]
    said = AlignedStudent(student, (taught.memory,)).write(prompts, 12)
    assert said == [f" {words[(a + b) % 3]}" for a, b in PAIRS]


def test_a_second_class_is_decided_from_what_the_first_decided(tmp_path: Path) -> None:
    from tests.models import silent_student

    knowledge = negated_knowledge()
    student = load(silent_student(tmp_path, knowledge.symbols))
    speaker = AlignedStudent(student, (teach(student, knowledge).memory,))
    prompts = [f"{a} + {b} = {c} ; - {c} =" for a, b in PAIRS for c in [(a + b) % 3]]
    assert speaker.write(SUMS, 1) == [f" {each}" for each in TRUTH]
    assert speaker.write(prompts, 1) == [f" {-(a + b) % 3}" for a, b in PAIRS]


def test_the_students_weights_are_only_read(student_directory: Path) -> None:
    student = load(student_directory)
    before = weights_sha256(student.model)
    teach(student, small_knowledge(), Schedule(steps=5))
    assert weights_sha256(student.model) == before
    assert all(each.grad is None for each in student.model.parameters())


def test_equal_seeds_train_equal_memories(student: LanguageModel) -> None:
    first, again, other = (
        teach(student, small_knowledge(), Schedule(steps=3, seed=seed)).memory.state_dict() for seed in (1, 1, 2)
    )
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_refuses_a_packet_whose_concepts_no_probe_reaches(student: LanguageModel) -> None:
    small = small_knowledge()
    elsewhere = replace(small, groundings=np.full((9, 2), 3, np.int32))
    with pytest.raises(AlignmentRefused, match="no probe"):
        teach(student, elsewhere)


def test_refuses_a_student_whose_states_are_not_finite(student_directory: Path) -> None:
    broken = load(student_directory)
    broken.model.transformer.h[0].mlp.c_proj.weight[0, 0] = float("nan")
    with pytest.raises(AlignmentRefused, match="not finite at step 0"):
        teach(broken, small_knowledge())


@pytest.mark.parametrize(
    "wrong", [{"stepz": 3}, {"steps": "3"}, {"steps": True}, {"steps": -1}, {"steps": 0}, {"steps": 2.5}]
)
def test_a_schedule_of_nonsense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="schedule"):
        schedule_of(wrong)


def test_a_schedule_keeps_what_was_not_given() -> None:
    assert schedule_of({"steps": 7, "rate": 1}) == Schedule(steps=7, rate=1)
