"""Shapes say what is fixed, what is free, what repeats, and where the teacher decides."""

import numpy as np

from teacher_agent.chains import Strings
from teacher_agent.kinds import symbol_kinds
from teacher_agent.shapes import NOTHING, Shape, find_shapes
from tests.teacher_agent.synthetic import chain, sums


def shapes(count: int = 1500, least: int = 40) -> list[Shape]:
    strings = Strings()
    chains = sums(strings, count)
    return find_shapes(chains, symbol_kinds(chains, len(strings.all())), least)


def test_every_length_and_world_has_its_shape() -> None:
    found = shapes()
    assert sorted((each.prompt, len(each.groups)) for each in found) == [(4, 9), (4, 9), (6, 17), (6, 17)]


def test_copies_share_the_group_of_what_they_repeat() -> None:
    long = next(each for each in shapes() if each.prompt == 6)
    #   0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16
    #   a + b * c : a + b = r  ;  r  *  c  =  s
    assert [long.root(position) for position in (6, 7, 8, 12, 13, 14)] == [0, 1, 2, 10, 3, 4]
    assert all(long.groups[position] == NOTHING for position in (5, 9, 11, 15))


def test_decisions_are_what_the_teacher_brings_up_itself() -> None:
    long = next(each for each in shapes() if each.prompt == 6)
    assert long.decisions == [10, 16]


def test_rare_shapes_are_left_out() -> None:
    assert shapes(count=100, least=1000) == []


def test_a_slip_in_copying_does_not_break_the_group() -> None:
    strings = Strings()
    rng = np.random.default_rng(0)
    chains = []
    for number in range(300):
        word = str(rng.integers(8))
        said = word if number % 100 else str((int(word) + 1) % 8)
        chains.append(chain(strings, [word, ":"], [said, "."]))
    (shape,) = find_shapes(chains, symbol_kinds(chains, len(strings.all())), 10)
    assert shape.root(2) == 0
    assert shape.decisions == []
