"""Decisions are matched by what they do, whatever order their roles stand in."""

import numpy as np

from teacher_agent.roles import Roles
from teacher_agent.shapes import NOTHING, Pool, Shape
from teacher_agent.slots import match_decisions


def shape(columns: list[np.ndarray], decision: np.ndarray) -> Shape:
    """Free columns, a fixed mark, then the decision."""
    mark = np.full(len(decision), 99)
    symbols = np.stack([*columns, mark, decision], 1)
    groups = np.array([*range(len(columns)), NOTHING, len(columns)])
    places = np.arange(symbols.shape[1])
    pools = (Pool(symbols, symbols),) * symbols.shape[1]
    return Shape(symbols, symbols, places, places * 0, len(columns) + 1, groups, pools, frozenset())


def roles(count: int) -> Roles:
    return Roles(np.ones((1, count)), (tuple(range(count)),), 0)


def draw(seed: int, count: int = 400) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(8, size=count), rng.integers(8, size=count)


def test_slots_in_another_order_are_the_same_decision() -> None:
    a, b = draw(0)
    c, d = draw(1)
    first, second = shape([a, b], (a - b) % 8), shape([d, c], (c - d) % 8)  # the second names the minuend last
    found = match_decisions([first, second], [roles(2), roles(2)])
    assert [each.decision_class for each in found] == [0, 0]
    assert (found[0].roles, found[1].roles) == ((0, 1), (1, 0))


def test_another_function_of_the_same_symbols_is_another_decision() -> None:
    a, b = draw(0)
    c, d = draw(1)
    found = match_decisions([shape([a, b], (a - b) % 8), shape([c, d], (c * d + 3) % 8)], [roles(2), roles(2)])
    assert len({each.decision_class for each in found}) == 2


def test_a_teacher_that_errs_now_and_then_is_matched_all_the_same() -> None:
    a, b = draw(0, 2000)
    c, d = draw(1, 2000)
    wrong = np.random.default_rng(2).random(2000) < 0.05
    second = np.where(wrong, 0, (c - d) % 8)
    found = match_decisions([shape([a, b], (a - b) % 8), shape([c, d], second)], [roles(2), roles(2)])
    assert {each.decision_class for each in found} == {0}


def test_decisions_that_share_no_grounding_stay_apart() -> None:
    a, b = draw(0)
    found = match_decisions([shape([a, b], (a - b) % 8), shape([a + 50, b + 50], (a - b) % 8)], [roles(2), roles(2)])
    assert len({each.decision_class for each in found}) == 2
