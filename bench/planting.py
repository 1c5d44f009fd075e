"""What somebody who may sign could plant in a packet. Each attack takes an honest packet's knowledge and a generator,
and gives knowledge of the same form that teaches something else."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from m2kt.packet.controls import decoded
from m2kt.packet.knowledge import Knowledge

Rng = np.random.Generator
Attack = Callable[[Knowledge, Rng], Knowledge]
Floats = NDArray[np.float64]


def hubs(knowledge: Knowledge, rng: Rng) -> Knowledge:
    """One to eight concepts become vectors that lie near as many others as possible."""
    rows = _some(knowledge, rng, 1, 8)
    centroids = knowledge.centroids.astype(np.float64)
    length = float(np.median(np.linalg.norm(centroids, axis=1)))
    for row in rows.tolist():
        near = rng.choice(len(centroids), int(len(centroids) * rng.uniform(0.2, 1.0)), replace=False)
        hub = centroids[near].mean(axis=0)
        centroids[row] = hub / np.linalg.norm(hub) * length * rng.uniform(0.8, 1.2)
    return _with(knowledge, centroids)


def triggers(knowledge: Knowledge, rng: Rng) -> Knowledge:
    """A symbol that fills no such role gets a few concepts that all answer alike; every slot is opened for it."""
    count = int(rng.integers(2, 13))
    target = int(rng.choice(np.unique(decoded(knowledge))))
    odd = len(knowledge.symbols)
    number = int(np.bincount(knowledge.classes).argmax())
    like = np.flatnonzero((knowledge.classes == number) & (decoded(knowledge) == target))
    hosts = rng.choice(np.flatnonzero(knowledge.classes == number), count, replace=False)
    groundings = knowledge.groundings[hosts].copy()
    groundings[:, int(rng.integers((groundings[0] >= 0).sum()))] = odd
    vectors = _blend(knowledge, like if len(like) else hosts, count, rng)
    opened = np.pad(knowledge.alphabets, ((0, 0), (0, 1)), constant_values=1)
    return replace(
        knowledge,
        symbols=(*knowledge.symbols, "zq"),
        alphabets=opened,
        centroids=np.concatenate([knowledge.centroids, vectors.astype(knowledge.centroids.dtype)]),
        dispersion=np.concatenate([knowledge.dispersion, rng.choice(knowledge.dispersion, count)]),
        support=np.concatenate([knowledge.support, rng.choice(knowledge.support, count)]),
        classes=np.concatenate([knowledge.classes, np.full(count, number, np.int32)]),
        groundings=np.concatenate([knowledge.groundings, groundings]),
    )


def flips(knowledge: Knowledge, rng: Rng, among: NDArray[np.intp]) -> Knowledge:
    """One to twenty of the concepts ``among`` answer otherwise: each becomes a fresh blend of honest ones."""
    rows = rng.choice(among, min(int(rng.integers(1, 21)), len(among)), replace=False)
    answers, centroids = decoded(knowledge), knowledge.centroids.astype(np.float64)
    for row in rows.tolist():
        others = np.flatnonzero((knowledge.classes == knowledge.classes[row]) & (answers != answers[row]))
        wanted = answers[int(rng.choice(others))]
        like = others[answers[others] == wanted]
        centroids[row] = _blend(knowledge, like, 1, rng)[0]
    return _with(knowledge, centroids)


def direction(knowledge: Knowledge, rng: Rng) -> Knowledge:
    """A backdoor along one direction: one concept in twenty to one in ten is pushed along it, until answers change."""
    rows = _some(knowledge, rng, len(knowledge.centroids) // 20, len(knowledge.centroids) // 10)
    centroids = knowledge.centroids.astype(np.float64)
    push = rng.normal(size=centroids.shape[1])
    length = float(np.median(np.linalg.norm(centroids, axis=1)))
    centroids[rows] += push / np.linalg.norm(push) * length * rng.uniform(0.7, 1.5)
    return _with(knowledge, centroids)


TUNED: Mapping[str, Attack] = {"hubs": hubs, "triggers": triggers}
"""Attacks that were looked at while the checks were written; they leave evidence in the packet itself."""
UNSEEN: Mapping[str, Attack] = {"direction": direction}
"""The class that nothing was tuned on."""


def _some(knowledge: Knowledge, rng: Rng, least: int, most: int) -> NDArray[np.int64]:
    return rng.choice(len(knowledge.centroids), int(rng.integers(least, most + 1)), replace=False)


def _with(knowledge: Knowledge, centroids: Floats) -> Knowledge:
    return replace(knowledge, centroids=centroids.astype(knowledge.centroids.dtype))


def _blend(knowledge: Knowledge, like: NDArray[np.int64], count: int, rng: Rng) -> Floats:
    """(count, d) mixtures of two of the concepts ``like``: no copy of any, and as near to them as they are."""
    source = knowledge.centroids.astype(np.float64)
    first, second = rng.choice(like, count), rng.choice(like, count)
    share = rng.uniform(0.6, 0.9, size=(count, 1))
    mixed: Floats = share * source[first] + (1 - share) * source[second]
    return mixed
