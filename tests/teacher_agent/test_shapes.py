"""Shapes say what is fixed, what is free, what repeats, and where the teacher decides."""

import numpy as np

from teacher_agent.chains import Strings
from teacher_agent.kinds import symbol_kinds
from teacher_agent.shapes import NOTHING, Shape, find_shapes
from tests.teacher_agent.synthetic import chain, climbs, sums


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


def climbing() -> list[Shape]:
    strings = Strings()
    chains = climbs(strings, 1500)
    return find_shapes(chains, symbol_kinds(chains, len(strings.all())), 40)


def test_where_chains_that_begin_alike_go_on_in_several_ways_the_teacher_chooses() -> None:
    #   0   1    2 3   4  5     6  7
    #   low high ? low is above ;  (above | yes | no)
    one_step = next(each for each in climbing() if len(each.groups) == 8)
    assert one_step.choices == {3, 7}
    assert one_step.decisions == [3, 5, 7]


def test_what_only_holds_because_of_what_came_later_is_no_copy() -> None:
    """In the chains of one step that end in yes, `above` always is `high`; in their pool it is not."""
    shapes = climbing()
    assert len(shapes) == 4  # no step, one, two and three
    for each in shapes:
        assert [each.root(position) for position in each.decisions] == each.decisions
        assert all(each.groups[position] == NOTHING for position in (2, *range(4, len(each.groups), 4)))


def test_every_chain_is_explained_by_a_shape() -> None:
    assert sum(len(each.symbols) for each in climbing()) == 1500


def test_a_teacher_that_chooses_where_to_end_without_saying_so_has_no_shape() -> None:
    strings = Strings()
    chains = [chain(strings, [str(n % 5), ":"], [str(n % 3)] * (1 + n % 2)) for n in range(300)]
    assert find_shapes(chains, symbol_kinds(chains, len(strings.all())), 10) == []
