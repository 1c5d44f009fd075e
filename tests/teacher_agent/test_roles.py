"""Causal token swaps find the roles of every decision of the example teacher, and nothing else."""

from dataclasses import replace

import numpy as np
import pytest

from m2kt.neural.models import LanguageModel
from teacher_agent.roles import Roles, SwapSettings, decided, find_roles, margin, spread_over_elements, usable
from teacher_agent.shapes import NOTHING, Shape
from tests.teacher_agent.parts import SWAP


def test_digits_of_every_length_and_truths_are_shapes_of_their_own(shapes: list[Shape]) -> None:
    lengths = [shape.prompt // 2 for shape in shapes]
    assert sorted(lengths[:5]) == [2, 3, 4, 5, 6]
    assert set(lengths[5:]) == {3, 4}  # the rarer world


def test_the_roles_are_held_operator_and_operand_of_the_current_step(shapes: list[Shape], roles: list[Roles]) -> None:
    """Each step reads ``held operator operand = result``."""
    for shape, role in zip(shapes, roles, strict=True):
        assert list(role.elements) == [(p - 4, p - 3, p - 2) for p in shape.decisions]
        assert len(shape.decisions) == shape.prompt // 2 - 1


def test_the_cut_between_roles_and_others_is_clear(shapes: list[Shape], roles: list[Roles]) -> None:
    for shape, role in zip(shapes, roles, strict=True):
        weakest, strongest = margin(role, shape, SWAP)
        assert weakest > 0.3
        assert strongest < 0.05


def test_nothing_that_comes_later_is_a_role(shapes: list[Shape], roles: list[Roles]) -> None:
    for shape, role in zip(shapes, roles, strict=True):
        for row, position in enumerate(shape.decisions):
            later = [group for group in range(role.flips.shape[1]) if shape.members(group)[0] >= position]
            assert not role.flips[row, later].any()


def test_equal_seeds_swap_alike(teacher: LanguageModel, shapes: list[Shape]) -> None:
    shape = min(shapes, key=lambda each: each.tokens.shape[1])
    settings = SwapSettings(chains=6, swaps=2)
    first, again, other = (find_roles(teacher, shape, settings, seed) for seed in (1, 1, 2))
    assert np.array_equal(first.flips, again.flips)
    assert first.queries == again.queries
    assert not np.array_equal(first.flips, other.flips)


def test_what_the_teacher_would_write_is_what_it_wrote(teacher: LanguageModel, shapes: list[Shape]) -> None:
    for shape in shapes:
        places = shape.places[shape.decisions]
        assert np.array_equal(decided(teacher, places - 1, shape.tokens[:20]), shape.tokens[:20][:, places])


def test_evidence_stands_on_the_latest_mention(shapes: list[Shape], roles: list[Roles]) -> None:
    for shape, role in zip(shapes, roles, strict=True):
        evidence = spread_over_elements(shape, role.flips)
        for row, (position, elements) in enumerate(zip(shape.decisions, role.elements, strict=True)):
            assert set(np.flatnonzero(evidence[row] >= SWAP.threshold)) == set(elements)
            assert not evidence[row, position:].any()
            assert not evidence[row, shape.groups == NOTHING].any()


@pytest.mark.parametrize(
    ("elements", "fits"), [(((1, 2), (0,)), True), (((1, 2), ()), False), (((0, 1, 2, 3, 4),), False)]
)
def test_a_shape_is_usable_when_all_decisions_have_a_few_roles(
    elements: tuple[tuple[int, ...], ...], fits: bool
) -> None:
    assert usable(Roles(np.zeros((len(elements), 5)), elements, 0), SwapSettings(most_roles=4)) is fits


def test_without_roles_or_others_the_margin_is_nought(shapes: list[Shape], roles: list[Roles]) -> None:
    none = replace(roles[0], flips=np.zeros_like(roles[0].flips))
    every = replace(roles[0], flips=np.ones_like(roles[0].flips))
    assert margin(none, shapes[0], SWAP) == (0.0, 0.0)
    assert margin(every, shapes[0], SWAP) == (1.0, 0.0)
