"""Paired differences over seeds: their mean and Student's 95 % interval."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Gain:
    """Mean of paired differences, and the two-sided 95 % interval around it, over ``seeds`` seeds."""

    mean: float
    low: float
    high: float
    seeds: int

    def __str__(self) -> str:
        return f"{self.mean:+.4f} [{self.low:+.4f}, {self.high:+.4f}]"


def gain(after: Sequence[float], before: Sequence[float]) -> Gain:
    """What ``after`` has more than ``before``, seed by seed; at least two seeds."""
    differences = np.asarray(after) - np.asarray(before)
    count = len(differences)
    assert count > 1, "an interval over seeds needs two"
    half = float(stats.t.ppf(0.975, count - 1) * differences.std(ddof=1) / count**0.5)
    mean = float(differences.mean())
    return Gain(mean, mean - half, mean + half, count)
