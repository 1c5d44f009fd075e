"""Exact bounds, checked against enumeration and simulation."""

from math import comb

import numpy as np
import pytest

from student_agent.statistics import binomial_tail, improvement_bound, lower_bound, upper_bound


@pytest.mark.parametrize(("successes", "trials", "rate"), [(0, 10, 0.3), (3, 10, 0.3), (10, 10, 0.9), (7, 25, 0.11)])
def test_the_tail_is_the_sum_of_the_binomial(successes: int, trials: int, rate: float) -> None:
    expected = sum(comb(trials, k) * rate**k * (1 - rate) ** (trials - k) for k in range(successes, trials + 1))
    assert binomial_tail(successes, trials, rate) == pytest.approx(expected, rel=1e-9)


def test_bounds_of_extreme_counts() -> None:
    assert lower_bound(0, 20, 0.95) == 0.0
    assert upper_bound(20, 20, 0.95) == 1.0
    assert lower_bound(20, 20, 0.95) == pytest.approx(0.05 ** (1 / 20), abs=1e-9)
    assert upper_bound(0, 20, 0.95) == pytest.approx(1 - 0.05 ** (1 / 20), abs=1e-9)


def test_a_known_interval() -> None:
    assert lower_bound(8, 10, 0.975) == pytest.approx(0.4439, abs=5e-5)  # Clopper and Pearson's own kind of table
    assert upper_bound(8, 10, 0.975) == pytest.approx(0.9748, abs=5e-5)


def test_no_change_proves_no_improvement() -> None:
    assert improvement_bound(0, 0, 100, 0.95) < 0
    assert improvement_bound(10, 10, 100, 0.95) < 0


def test_false_accepts_stay_within_the_error() -> None:
    """1,000 packets whose true gain is nought: few may be proven to help."""
    rng = np.random.default_rng(0)
    items, changes = 200, 0.2
    accepted = 0
    for _ in range(1000):
        gained, lost, _ = rng.multinomial(items, [changes / 2, changes / 2, 1 - changes])
        accepted += improvement_bound(int(gained), int(lost), items, 0.95) > 0
    assert accepted <= 50 + 3 * (1000 * 0.05 * 0.95) ** 0.5
