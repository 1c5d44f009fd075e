"""Roles that always stand equally far back are looked for there, on chains of any length."""

import torch

from m2kt.neural.forward import layer_states
from m2kt.neural.models import LanguageModel
from student_agent.batches import Batch
from student_agent.memory import DISTANCES
from student_agent.offsets import SURE, constant_offsets
from tests.student_agent.parts import SUMS, Taught

POINTERS = torch.tensor([[0, 1], [2, -1]])  # class 0 has two slots, class 1 one


def batch(at: list[int], roles: list[list[int]], classes: list[int], dues: list[int]) -> Batch:
    """One chain with these decisions."""
    ids = torch.zeros(1, 99, dtype=torch.long)
    return Batch(
        ids=ids,
        at=torch.tensor([at]),
        tokens=torch.zeros(1, len(at), dtype=torch.long),
        dues=torch.tensor([dues]),
        classes=torch.tensor(classes),
        roles=torch.tensor([roles]),
    )


def test_one_distance_everywhere_is_a_rule_and_two_are_none() -> None:
    first = batch([5, 9], [[3, 1], [9, -1]], [0, 1], [0, 1])
    later = batch([25, 40], [[23, 7], [40, -1]], [0, 1], [0, 1])
    assert constant_offsets([first, later], POINTERS) == {0: 2, 2: 0}


def test_a_piece_that_a_spelling_does_not_have_says_nothing() -> None:
    spelled = batch([5, 6], [[3, 1], [3, 1]], [0, 0], [0, -1])
    assert constant_offsets([spelled], POINTERS) == {0: 2, 1: 4}


def test_a_distance_that_the_pointers_cannot_tell_from_farther_ones_is_no_rule() -> None:
    far = batch([90], [[89, 90 - DISTANCES + 1]], [0], [0])
    assert constant_offsets([far], POINTERS) == {0: 1}


def test_pointers_hold_where_no_probe_reached(student: LanguageModel, addition: Taught) -> None:
    """The student has learned positions, and its probes ended with the fifth token."""
    ids = torch.tensor(student.tokenizer([f"{'= ' * 20}{each}" for each in SUMS])["input_ids"])
    last = ids.shape[1] - 1
    with torch.no_grad():
        states, _ = layer_states(student, ids)
        pointers = addition.memory(states, ids, torch.full((len(ids), 1), last)).pointers[:, 0]
    assert (pointers[:, 0, last - 3] > 0.999).all()
    assert (pointers[:, 1, last - 1] > 0.999).all()


def test_training_leaves_fixed_pointers_as_they_are(addition: Taught) -> None:
    memory = addition.memory
    assert memory.distance.max(1).values.tolist() == [SURE, SURE]
    assert memory.distance.argmax(1).tolist() == [3, 1]
    assert not memory.query.weight.any()
