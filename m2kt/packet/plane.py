"""K points in two dimensions: principal components by singular value decomposition, the same on every run.

The method, its seed and the share of the variance that the plane holds travel with the points: a picture without them
says nothing. Distances in it are those of the plane, not of the space.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m2kt.errors import TensorError

Points = NDArray[np.float64]

SEED = 0
EXACT_WORK = 2e9
"""Multiplications (K d min(K, d)) up to which the decomposition is exact: below a second on one core."""
_EXTRA, _POWERS = 8, 4

MOST_TOLD = 600
"""Points that a report holds: all, or every n-th. Four bytes each."""
_STEPS = 32767
_ABSENT = -32768
_LONGEST_METHOD = 120


@dataclass(frozen=True)
class Plane:
    """K points in the plane of the two leading components; ``shares`` of the variance along each. A point that is not
    there (a concept that was left out) is NaN."""

    points: Points  # (K, 2)
    shares: tuple[float, float]
    method: str


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


def turned_onto(plane: Plane, other: Plane) -> Plane:
    """``plane`` moved, turned, mirrored and scaled so that it lies as close to ``other`` as that allows: orthogonal
    Procrustes (Schoenemann 1966). Two planes of the same points can be compared by eye only then."""
    there = np.isfinite(plane.points).all(1) & np.isfinite(other.points).all(1)
    if there.sum() < 2:
        return plane
    mine, theirs = plane.points[there].mean(0), other.points[there].mean(0)
    left, values, right = np.linalg.svd((plane.points[there] - mine).T @ (other.points[there] - theirs))
    spread = float(((plane.points[there] - mine) ** 2).sum()) or 1.0
    points = (plane.points - mine) @ (left @ right) * (float(values.sum()) / spread or 1.0) + theirs
    return replace(plane, points=points, method=f"{plane.method}; turned onto the first map (Procrustes)")


def spread_over(plane: Plane, numbers: NDArray[np.int64], count: int) -> Plane:
    """``plane`` as points of ``count`` concepts, of which it has ``numbers`` (K,)."""
    points = np.full((count, 2), np.nan)
    points[numbers] = plane.points
    return replace(plane, points=points)


def told(plane: Plane) -> dict[str, Any]:
    """``plane`` for a signed report: at most `MOST_TOLD` points, in steps of a 32,767th of the largest coordinate."""
    every = max(1, -(-len(plane.points) // MOST_TOLD))
    points = plane.points[::every]
    there = np.isfinite(points).all(1)
    scale = float(np.abs(points[there]).max(initial=0.0)) or 1.0
    steps = np.full(points.shape, _ABSENT, "<i2")
    steps[there] = np.rint(points[there] / scale * _STEPS)
    return {
        "concepts": len(plane.points),
        "every": every,
        "method": plane.method,
        "points": base64.b64encode(steps.tobytes()).decode(),
        "scale": f"{scale:.9g}",
        "shares": [f"{each:.6f}" for each in plane.shares],
    }


def heard(report: Mapping[str, Any], concepts: int) -> Plane:
    """The plane that a report of a packet with so many ``concepts`` tells of, NaN where it has none; `TensorError` for
    anything that is not one. What it says is the reporter's word."""
    try:
        every, count = report["every"], report["concepts"]
        scale, shares = float(report["scale"]), tuple(float(each) for each in report["shares"])
        steps = np.frombuffer(base64.b64decode(report["points"], validate=True), "<i2").reshape(-1, 2)
        method = report["method"]
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise TensorError(f"not a map of concepts: {error}") from error
    whole = isinstance(every, int) and every >= 1 and count == concepts and len(steps) == len(range(0, concepts, every))
    sized = 0 < scale < 1e30 and len(shares) == 2 and all(0 <= each <= 1 for each in shares)
    if not whole or not sized or not isinstance(method, str) or len(method) > _LONGEST_METHOD:
        raise TensorError("not a map of this packet's concepts: its counts, scale, shares or method do not fit")
    points = np.full((concepts, 2), np.nan)
    points[::every] = np.where((steps == _ABSENT).any(1, keepdims=True), np.nan, steps / _STEPS * scale)
    return Plane(points, (shares[0], shares[1]), method)
