"""Concepts in two dimensions: principal components by singular value decomposition, the same on every run.

The method, its seed and the share of the variance that the plane holds travel with the points: a picture without them
says nothing. Distances in it are those of the plane, not of the space.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from broker.services.contents import Contents

Points = NDArray[np.float64]

SEED = 0
EXACT_WORK = 2e9
"""Multiplications (K d min(K, d)) up to which the decomposition is exact: below a second on one core."""
_EXTRA, _POWERS = 8, 4


@dataclass(frozen=True)
class Plane:
    """K points in the plane of the two leading components; ``shares`` of the variance along each."""

    points: Points  # (K, 2)
    shares: tuple[float, float]
    method: str


def of_states(contents: Contents) -> Plane:
    """Before an alignment: the concepts' centroids, in the teacher's own space."""
    return principal(contents.knowledge.centroids.astype(np.float64))


def of_readings(contents: Contents) -> Plane:
    """What an alignment carries over: each concept's logits on the packet's anchors, less their mean (`W_T c`, the
    target of docs/transfer.md, eq. 11). A student's own concepts read the same there up to the residual it reports."""
    knowledge = contents.knowledge
    logits = knowledge.centroids.astype(np.float64) @ knowledge.anchors.astype(np.float64).T + knowledge.anchor_bias
    return principal(logits - logits.mean(1, keepdims=True))


def principal(rows: Points) -> Plane:
    """The plane of ``rows`` [K, d]; fewer than two directions are filled up with zeros."""
    largest = float(np.abs(rows).max(initial=0.0)) or 1.0
    centred = rows / largest - (rows / largest).mean(0)  # scaled first: squares of large values must not overflow
    count, width = centred.shape
    exact = count * width * min(count, width) <= EXACT_WORK
    left, values = _exact(centred) if exact else _randomised(centred)
    total = float((centred**2).sum()) or 1.0
    points = np.zeros((count, 2))
    kept = min(2, len(values))
    points[:, :kept] = (left * values)[:, :kept] * largest
    shares = np.zeros(2)
    shares[:kept] = values[:kept] ** 2 / total
    method = "PCA by exact SVD (numpy), no seed needed" if exact else f"PCA by randomised SVD (Halko), seed {SEED}"
    return Plane(_turned(points), (float(shares[0]), float(shares[1])), method)


def _exact(centred: Points) -> tuple[Points, Points]:
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    return left, values


def _randomised(centred: Points) -> tuple[Points, Points]:
    """Halko, Martinsson, Tropp (2011), algorithm 4.4, with power iterations that are made orthogonal each time."""
    start = np.random.Generator(np.random.PCG64(SEED)).standard_normal((centred.shape[1], 2 + _EXTRA))
    basis, _ = np.linalg.qr(centred @ start)
    for _ in range(_POWERS):
        basis, _ = np.linalg.qr(centred @ (centred.T @ basis))
    left, values, _ = np.linalg.svd(basis.T @ centred, full_matrices=False)
    return basis @ left, values


def _turned(points: Points) -> Points:
    """A singular vector's sign is arbitrary: the coordinate that is largest in size becomes positive."""
    for column in range(points.shape[1]):
        if len(points) and points[np.abs(points[:, column]).argmax(), column] < 0:
            points[:, column] *= -1
    return points
