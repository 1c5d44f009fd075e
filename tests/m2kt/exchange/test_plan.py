"""The round plan: one text, one batch for every round, on every host."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2kt.errors import PlanInvalid
from m2kt.exchange import RoundPlan

PLAN = RoundPlan(seed=7, rounds=40, samples_per_round=12, steps_per_round=3, tau=2.5, task_weight=0.5)


def test_its_bytes_are_canonical_and_come_back_as_the_same_plan() -> None:
    assert RoundPlan.from_bytes(PLAN.to_bytes()) == PLAN
    assert PLAN.to_bytes() == (
        b'{"rounds":40,"samples_per_round":12,"schema":"m2kt.exchange.plan/1","seed":7,"steps_per_round":3,'
        b'"task_weight":"0.5","tau":"2.5"}'
    )


def test_equal_numbers_make_equal_plans_and_digests() -> None:
    assert RoundPlan(1, 2, 3, tau=1) == RoundPlan(1, 2, 3, tau=1.0)
    assert RoundPlan(1, 2, 3, tau=1).digest == RoundPlan(1, 2, 3, tau=1.0).digest != replace(PLAN, seed=8).digest


def test_the_batches_of_all_hosts_are_these() -> None:
    """Golden: whoever changes them breaks exchanges between versions."""
    assert PLAN.batch(0, 20).tolist() == GOLDEN[0]
    assert PLAN.batch(39, 20).tolist() == GOLDEN[1]


GOLDEN = (
    [5, 13, 0, 12, 3, 14, 18, 9, 15, 2, 17, 4],
    [7, 3, 8, 13, 10, 14, 12, 5, 2, 4, 0, 11],
)


@given(st.integers(0, 2**53 - 1), st.integers(1, 30), st.integers(0, 40))
def test_a_pass_over_the_set_takes_every_sample_at_most_once(seed: int, size: int, more: int) -> None:
    plan, count = RoundPlan(seed, 8, size), size + more
    rounds = min(plan.rounds, count // size)
    taken = np.concatenate([plan.batch(number, count) for number in range(rounds)])
    assert len(set(taken.tolist())) == rounds * size
    assert set(taken.tolist()) <= set(range(count))


def test_later_passes_take_another_order() -> None:
    assert PLAN.batch(0, 12).tolist() != PLAN.batch(1, 12).tolist()


def test_all_samples_are_taken_equally_often_in_the_long_run() -> None:
    plan = RoundPlan(3, 3000, 5)
    counts = np.bincount(np.concatenate([plan.batch(number, 12) for number in range(3000)]), minlength=12)
    assert abs(counts - 1250).max() < 130  # about four standard deviations


def test_the_steps_of_a_round_cover_its_samples_once() -> None:
    parts = RoundPlan(0, 1, 11, steps_per_round=4).steps()
    assert [part.stop - part.start for part in parts] == [2, 3, 3, 3]
    assert np.concatenate([np.arange(11)[part] for part in parts]).tolist() == list(range(11))


@pytest.mark.parametrize(
    "change",
    [
        {"seed": -1},
        {"seed": 2**53},
        {"seed": True},
        {"rounds": 0},
        {"rounds": 1.5},
        {"samples_per_round": 0},
        {"steps_per_round": 13},
        {"tau": 0},
        {"tau": -1.0},
        {"tau": float("nan")},
        {"tau": float("inf")},
        {"tau": "1"},
        {"task_weight": -0.1},
    ],
    ids=str,
)
def test_refuses_a_plan_outside_its_limits(change: dict[str, int]) -> None:
    with pytest.raises(PlanInvalid, match=next(iter(change))):
        replace(PLAN, **change)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'"tau":"2.5"', b'"tau":2'),
        (b'"tau":"2.5"', b'"tau":"2.50"'),
        (b'"tau":"2.5"', b'"tau":"nan"'),
        (b'"tau":"2.5"', b'"tau":"much"'),
        (b'"seed":7,', b""),
        (b'"seed":7', b'"seed": 7'),
        (b'"seed":7', b'"seed":"7"'),
        (b"plan/1", b"plan/2"),
        (b'"tau":"2.5"', b'"tau":"2.5","x":1'),
    ],
)
def test_refuses_text_that_is_no_plan(before: bytes, after: bytes) -> None:
    with pytest.raises(PlanInvalid):
        RoundPlan.from_bytes(PLAN.to_bytes().replace(before, after))


def test_refuses_a_set_smaller_than_a_round_and_a_round_outside() -> None:
    with pytest.raises(PlanInvalid, match="12 samples, the set has 11"):
        PLAN.batch(0, 11)
    with pytest.raises(PlanInvalid, match="round 40"):
        PLAN.batch(40, 20)
