"""Roles are what determines a decision in the teacher's own chains, and no more of it than that takes."""

import numpy as np
from numpy.typing import NDArray

from teacher_agent.shapes import Pool, Shape
from teacher_agent.sufficiency import settle

CHAINS = 600
A, B, TOTAL, CARRY, WRITTEN = range(5)  # two figures, their sum, whether it is ten or more, and that once more


def sums(seed: int = 0) -> NDArray[np.int64]:
    """Chains ``a b sum carry carry``: the carry can be told from both figures, and from their sum."""
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 10, (2, CHAINS))
    carry = (a + b >= 10).astype(np.int64)
    return np.stack([a, b, a + b, carry, carry], 1)


def shape_of(symbols: NDArray[np.int64], groups: tuple[int, ...] = (0, 1, 2, 3, 3)) -> Shape:
    """A shape of these chains, whose tokens are their symbols."""
    length = symbols.shape[1]
    pools = tuple(Pool(symbols[:, :place], symbols[:, : place + 1]) for place in range(length))
    places = np.arange(length)
    return Shape(symbols, symbols, places, np.zeros(length, np.int64), 2, np.array(groups), pools, frozenset())


def test_what_swaps_found_stays_where_it_is_enough_and_nothing_smaller_is() -> None:
    assert settle(shape_of(sums()), TOTAL, (A, B), 4) == (A, B)


def test_of_two_ways_to_tell_a_decision_the_one_with_fewer_groundings_is_taken() -> None:
    assert settle(shape_of(sums()), CARRY, (A, B), 4) == (TOTAL,)
    assert settle(shape_of(sums()), CARRY, (A, B, TOTAL), 4) == (TOTAL,)


def test_a_symbol_that_swaps_missed_is_found() -> None:
    assert settle(shape_of(sums()), TOTAL, (A,), 4) == (A, B)


def test_a_few_slips_change_nothing_and_many_mean_that_it_is_not_enough() -> None:
    symbols = sums()
    symbols[:4, CARRY] = 1 - symbols[:4, CARRY]
    assert settle(shape_of(symbols), CARRY, (A, B), 4) == (TOTAL,)
    symbols[::4, CARRY] = 1 - symbols[::4, CARRY]
    assert settle(shape_of(symbols), CARRY, (A, B), 4) == (A, B)


def test_chains_that_are_each_the_only_one_of_their_kind_bear_nothing_out() -> None:
    few = shape_of(sums()[:20])
    assert settle(few, CARRY, (A, B), 4) == (A, B)


def test_copies_stand_for_their_latest_mention() -> None:
    symbols = np.column_stack([sums(), sums()[:, CARRY]])
    assert settle(shape_of(symbols, (0, 1, 2, 3, 3, 4)), 5, (A, B), 4) == (WRITTEN,)
