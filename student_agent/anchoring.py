"""The CAL of static tasks in closed form: ridge regression between two spaces on inputs that both models encoded.

Both directions are here (eq. 11-12, with anchors in place of concepts): ``x_S = g(x_T)`` carries concepts to the
student; ``x_T = g(x_S)`` carries the student's inputs to the teacher. Lambda and the residual come from
cross-validation on the anchors alone; no label is seen. A fit that explains too little, and anchors that lie elsewhere
than the concepts, refuse.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from m2kt.errors import AlignmentRefused

FOLDS = 5
GRID = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Lambdas tried, as shares of the mean eigenvalue of the source's covariance."""
LEAST_EXPLAINED = 0.05
"""Least share of the target's variance that a fit must explain on anchors that it has not seen."""
FARTHEST = 1.15
"""Most that concepts may lie from their nearest anchor, in the anchors' own distance from each other."""

Rows = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Fit:
    """``(x - source_mean) / scale @ weight + target_mean``; ``residuals`` (n, d_out) are those of held-out folds."""

    source_mean: Rows
    scale: Rows
    weight: Rows  # (d_in, d_out)
    target_mean: Rows
    residuals: Rows
    ridge: float
    explained: float
    """R^2 on held-out anchors: 1 is a perfect fit, 0 says nothing."""

    def __call__(self, rows: NDArray[np.floating]) -> Rows:
        """Rows (n, d_in) in the other space, (n, d_out)."""
        moved: Rows = self.spread(np.asarray(rows, np.float64) - self.source_mean) + self.target_mean
        return moved

    def spread(self, offsets: Rows) -> Rows:
        """Differences (n, d_in) in the other space: without the means."""
        moved: Rows = (offsets / self.scale) @ self.weight
        return moved


def fit(source: NDArray[np.floating], target: NDArray[np.floating], seed: int = 0) -> Fit:
    """The ridge regression from ``source`` (n, d_in) to ``target`` (n, d_out), row by row the same inputs."""
    x, y = np.asarray(source, np.float64), np.asarray(target, np.float64)
    if len(x) != len(y) or len(x) < 2 * FOLDS:
        raise AlignmentRefused(f"{len(x)} and {len(y)} anchors: at least {2 * FOLDS} on both sides are needed")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise AlignmentRefused("a state of the anchors is NaN or infinite")
    scale = x.std(0) + 1e-6 * (x.std() or 1.0)
    folds = np.random.default_rng(seed).permutation(len(x)) % FOLDS
    errors, held = np.zeros(len(GRID)), np.zeros((len(GRID), *y.shape))
    for fold in range(FOLDS):
        out = folds == fold
        mean, level = x[~out].mean(0), y[~out].mean(0)
        for number, weight in enumerate(_solve((x[~out] - mean) / scale, y[~out] - level, GRID)):
            held[number, out] = y[out] - (x[out] - mean) / scale @ weight - level
            errors[number] += float((held[number, out] ** 2).sum())
    best = int(errors.argmin())
    whole = float(((y - y.mean(0)) ** 2).sum())
    (weight,) = _solve((x - x.mean(0)) / scale, y - y.mean(0), (GRID[best],))
    explained = float(1 - errors[best] / max(whole, 1e-300))
    return Fit(x.mean(0), scale, weight, y.mean(0), held[best], GRID[best], explained)


def _solve(x: Rows, y: Rows, shares: tuple[float, ...]) -> list[Rows]:
    """``argmin_W || x W - y ||^2 + lambda || W ||^2`` for every lambda, by one eigendecomposition."""
    values, vectors = np.linalg.eigh(x.T @ x)
    turned = vectors.T @ (x.T @ y)
    mean = max(float(values.mean()), 1e-12)
    return [vectors @ (turned / (np.maximum(values, 0) + share * mean)[:, None]) for share in shares]


def require_fit(found: Fit) -> Fit:
    """``found``; `AlignmentRefused` when it explains too little."""
    if not found.explained >= LEAST_EXPLAINED:
        raise AlignmentRefused(
            f"the anchors hardly fit: on those held out the map explains {found.explained:.3f} of the variance, "
            f"at least {LEAST_EXPLAINED} is needed (cross-validated residual {1 - found.explained:.3f})",
            hint="The two models have nothing in common on these anchors, or the packet is of another set or reading.",
        )
    return found


def distance(concepts: NDArray[np.floating], anchors: NDArray[np.floating], seed: int = 0, most: int = 1500) -> float:
    """How far the median concept lies from the anchors (`distances`)."""
    return float(np.median(distances(concepts, anchors, seed, most)))


def distances(concepts: NDArray[np.floating], anchors: NDArray[np.floating], seed: int = 0, most: int = 1500) -> Rows:
    """How far concepts, at most ``most`` of them, lie from their nearest anchor, in the median anchor's distance from
    its nearest other, both in the teacher's space with every coordinate scaled as the *concepts* have it. 1 is among
    them."""
    rng = np.random.default_rng(seed)
    a, c = (np.asarray(each, np.float64) for each in (anchors, concepts))
    a, c = (each[rng.permutation(len(each))[:most]] for each in (a, c))
    scale = np.sqrt(c.var(0) + 1e-6 * c.var() + 1e-12)
    own = _distances(a / scale, a / scale)
    np.fill_diagonal(own, np.inf)
    lie: Rows = _distances(c / scale, a / scale).min(1) / max(float(np.median(own.min(1))), 1e-12)
    return lie


def _distances(left: Rows, right: Rows) -> Rows:
    squared = (left**2).sum(1)[:, None] + (right**2).sum(1)[None] - 2 * left @ right.T
    away: Rows = np.sqrt(np.maximum(squared, 0))
    return away


def require_near(away: float) -> float:
    """``away``; `AlignmentRefused` when the anchors lie elsewhere than the concepts."""
    if not away <= FARTHEST:
        raise AlignmentRefused(
            f"the anchors are off the domain: the median concept is {away:.2f} times as far from its nearest anchor as "
            f"anchors are from each other; at most {FARTHEST} is allowed",
            hint="Take an anchor set that is more like the inputs of the task; the map says nothing where none lie.",
        )
    return away


def relative(rows: NDArray[np.floating], anchors: NDArray[np.floating]) -> Rows:
    """Coordinates without a fit: the cosine to every anchor (n, A), after centring on them, each coordinate with the
    mean 0 and the spread 1 that it has among the anchors (Moschella et al. 2023)."""
    middle = np.asarray(anchors, np.float64).mean(0)
    base = _unit(np.asarray(anchors, np.float64) - middle)
    among = base @ base.T
    found: Rows = (_unit(np.asarray(rows, np.float64) - middle) @ base.T - among.mean(0)) / (among.std(0) + 1e-9)
    return found


def _unit(rows: Rows) -> Rows:
    unit: Rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return unit
