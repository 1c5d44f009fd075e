"""Bounds that do not assume large numbers: exact binomial intervals and a paired improvement."""

from collections.abc import Callable
from functools import lru_cache
from math import exp, lgamma, log, log1p


def binomial_tail(successes: int, trials: int, rate: float) -> float:
    """P(X >= successes) for X ~ Binomial(trials, rate)."""
    if successes <= 0 or rate >= 1:
        return 1.0
    if rate <= 0:
        return 0.0
    return min(1.0, sum(exp(_log_mass(k, trials, rate)) for k in range(successes, trials + 1)))


def _log_mass(k: int, n: int, rate: float) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) + k * log(rate) + (n - k) * log1p(-rate)


@lru_cache(maxsize=4096)
def lower_bound(successes: int, trials: int, confidence: float) -> float:
    """One-sided Clopper-Pearson lower bound of a rate: the smallest rate that does not make the count surprising."""
    if successes == 0:
        return 0.0
    return _bisect(lambda rate: binomial_tail(successes, trials, rate) > 1 - confidence)


def upper_bound(successes: int, trials: int, confidence: float) -> float:
    """One-sided Clopper-Pearson upper bound of a rate."""
    return 1.0 - lower_bound(trials - successes, trials, confidence)


def _bisect(too_high: Callable[[float], bool]) -> float:
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if too_high(middle) else (middle, high)
    return low


def improvement_bound(gained: int, lost: int, items: int, confidence: float) -> float:
    """Lower bound of the paired gain in accuracy over ``items`` checks answered before and after.

    ``gained`` turned right, ``lost`` turned wrong. Each rate gets half of the error, so the bound holds at
    ``confidence`` whatever the two have to do with each other (Bonferroni).
    """
    half = 1 - (1 - confidence) / 2
    return lower_bound(gained, items, half) - upper_bound(lost, items, half)
