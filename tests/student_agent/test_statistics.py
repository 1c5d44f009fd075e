"""Exact bounds, checked against enumeration and simulation."""

from math import comb

import numpy as np
import pytest

from m2kt.errors import UsageError
from student_agent.statistics import binomial_tail, improvement_bound, lower_bound, upper_bound
from student_agent.take import Decision, Policy, decide, te_low


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


@pytest.mark.parametrize("delta", [0.0, 0.05, 0.3])
@pytest.mark.parametrize("lost", [0.0, 0.1, 0.3])
def test_of_a_thousand_packets_that_gain_exactly_delta_few_are_accepted(delta: float, lost: float) -> None:
    """`decide` as it stands; at most the binomial error of 5 % (three standard deviations) may pass."""
    rng = np.random.default_rng(round(1000 * delta + 10 * lost))
    items, accepted = 200, 0
    for _ in range(1000):
        turned, spoilt, _ = rng.multinomial(items, [lost + delta, lost, 1 - 2 * lost - delta]).tolist()
        behaviour = {
            "improvement": (turned - spoilt) / items,
            "improvement_low": improvement_bound(turned, spoilt, items, 0.95),
            "confidence": 0.95,
            "perplexity_before": None,
            "perplexity_after": None,
        }
        accepted += decide(behaviour, Policy(delta=delta))[0] == Decision.ACCEPTED
    assert accepted <= 50 + 3 * (1000 * 0.05 * 0.95) ** 0.5


def test_a_packet_that_gains_well_above_delta_is_accepted() -> None:
    """Otherwise the bound above would be kept by refusing everything."""
    rng = np.random.default_rng(5)
    found = [rng.multinomial(200, [0.3, 0.02, 0.68]).tolist() for _ in range(200)]
    assert sum(improvement_bound(turned, spoilt, 200, 0.95) >= 0.1 for turned, spoilt, _ in found) > 180


def test_the_bound_of_te_is_that_of_the_accuracy_over_the_most_that_the_teacher_can_have() -> None:
    behaviour = {"accuracy_low_after": lower_bound(90, 100, 0.95)}
    assert te_low(behaviour, Policy()) == pytest.approx(0.8363, abs=1e-3)
    assert te_low(behaviour, Policy(teacher_accuracy=0.95)) == pytest.approx(0.8363 / 0.95, abs=1e-3)
    assert te_low(behaviour, Policy(teacher_accuracy=0.5)) == 1.0
    assert te_low(None, Policy()) == te_low({}, Policy()) == 0.0


@pytest.mark.parametrize("wrong", [{"teacher_accuracy": 0.0}, {"teacher_accuracy": 1.5}, {"confidence": 1.0}])
def test_a_policy_of_nonsense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="policy"):
        Policy(**wrong)  # type: ignore[arg-type]
