"""Intervals over seeds and items: a bootstrap that draws both anew."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DRAWS = 1000

Right = NDArray[np.bool_]


@dataclass(frozen=True)
class Ratio:
    """Mean of ``above / below`` and the 2.5 and 97.5 percentiles of its bootstrap."""

    mean: float
    low: float
    high: float

    def told(self) -> dict[str, float]:
        return {"mean": round(self.mean, 4), "low": round(self.low, 4), "high": round(self.high, 4)}


def difference(
    one: Sequence[NDArray[np.generic]],
    other: Sequence[NDArray[np.generic]],
    below: Sequence[NDArray[np.generic]],
    seed: int = 0,
) -> Ratio:
    """Mean of ``(one - other) / below``, paired: seeds and items are drawn once for all three."""
    gained = [np.asarray(a, np.float64) - np.asarray(b, np.float64) for a, b in zip(one, other, strict=True)]
    return ratio(gained, below, seed)


def ratio(above: Sequence[NDArray[np.generic]], below: Sequence[NDArray[np.generic]], seed: int = 0) -> Ratio:
    """Of two scores per seed and item, (items,) for each seed: right or wrong, or any number from 0 to 1.

    Seeds are drawn with replacement, then the items of each drawn seed, the same for both scores.
    """
    rng = np.random.default_rng(seed)
    top, bottom = ([np.asarray(each, np.float64) for each in scores] for scores in (above, below))
    found = []
    for _ in range(DRAWS):
        sums = np.zeros(2)
        for number in rng.integers(len(top), size=len(top)):
            items = rng.integers(len(top[number]), size=len(top[number]))
            sums += top[number][items].mean(), bottom[number][items].mean()
        found.append(sums[0] / max(sums[1], 1e-12))
    mean = sum(each.mean() for each in top) / max(sum(each.mean() for each in bottom), 1e-12)
    return Ratio(float(mean), *np.percentile(found, (2.5, 97.5)).tolist())
