"""Two spaces without a single pair: clusters, quadratic assignment, Procrustes. An experiment, not a protocol.

Teacher and student encode *different* inputs of one kind. Each side's states become clusters; what can be compared
without pairs is how clusters lie to each other. Quadratic assignment (the FAQ relaxation; Vogelstein et al. 2015) finds
which cluster of one is which of the other, and the orthogonal Procrustes map of the matched centres carries concepts.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import orthogonal_procrustes
from scipy.optimize import quadratic_assignment

from m2kt.neural.encoders import States
from teacher_agent.clustering import k_means

CLUSTERS, STARTS = 60, 8

Rows = NDArray[np.float64]


@dataclass(frozen=True)
class Handshake:
    """``carry`` takes the teacher's rows to the student's space; ``score`` is the agreement of the matched clusters'
    geometry (a correlation), ``by_chance`` that of a random matching."""

    source_mean: Rows
    target_mean: Rows
    turn: Rows
    scale: float
    score: float
    by_chance: float

    def carry(self, rows: NDArray[np.floating]) -> Rows:
        """(n, d_T) to (n, d_S)."""
        moved: Rows = (np.asarray(rows, np.float64) - self.source_mean) @ self.turn * self.scale + self.target_mean
        return moved


def shake(teacher: States, student: States, seed: int) -> Handshake:
    """Match ``teacher`` (n, d_T) and ``student`` (m, d_S), rows of other inputs each."""
    sides = [k_means(each / (each.std(0) + 1e-6), CLUSTERS, seed) * (each.std(0) + 1e-6) for each in (teacher, student)]
    centred = [np.asarray(each, np.float64) - each.mean(0) for each in sides]
    angles = [_cosines(each) for each in centred]
    rng, best, found = np.random.default_rng(seed), -np.inf, np.arange(CLUSTERS)
    for _ in range(STARTS):
        options = {"maximize": True, "P0": "randomized", "rng": rng}
        tried = quadratic_assignment(angles[0], angles[1], options=options)
        if tried.fun > best:
            best, found = tried.fun, tried.col_ind
    width = max(each.shape[1] for each in centred)
    left, right = (np.pad(each, ((0, 0), (0, width - each.shape[1]))) for each in (centred[0], centred[1][found]))
    turn, stretched = orthogonal_procrustes(left, right)
    scale = stretched / float((left**2).sum())
    inside = turn[: teacher.shape[1], : student.shape[1]]
    matched = _agreement(angles[0], angles[1][np.ix_(found, found)])
    order = rng.permutation(CLUSTERS)
    chance = _agreement(angles[0], angles[1][np.ix_(order, order)])
    return Handshake(sides[0].mean(0), sides[1].mean(0), inside, scale, matched, chance)


def _cosines(rows: Rows) -> Rows:
    unit = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    found: Rows = unit @ unit.T
    return found


def _agreement(left: Rows, right: Rows) -> float:
    """Correlation of the entries above the diagonal."""
    above = np.triu_indices(len(left), 1)
    return float(np.corrcoef(left[above], right[above])[0, 1])
