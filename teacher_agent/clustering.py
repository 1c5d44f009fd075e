"""The operator *clustering*: latents of domain prompts, grouped by k-means (section V-A of the paper).

Decision states at any layer are clustered; a *concept* is then a cluster, and groundings whose mean state falls into
one cluster share its vector: fewer vectors than facts. What is published is always a mean at the head's input, since
only there do the anchors read it. One pass over the probes: k-means runs on a sample of bounded size, in mini-batches
(Sculley 2010, with seeding as in Arthur and Vassilvitskii 2007), and what every grounding needs is kept as sums.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from teacher_agent.concepts import Concepts, Key, Rows, Sums, condense
from teacher_agent.reservoir import Reservoir

STEPS, BATCH = 200, 1_024
SEEDED_FROM = 4_096
"""Rows of the sample among which the first centres are drawn."""

Floats = NDArray[np.float32]


@dataclass
class Clustering:
    """Sees decision states of ``inner_width`` at ``layer`` and of ``width`` at the head's input."""

    width: int
    inner_width: int
    layer: int
    clusters: int
    seed: int
    _heads: Sums = field(init=False)
    _inner: Sums = field(init=False)
    _sample: Reservoir = field(init=False)

    def __post_init__(self) -> None:
        self._heads, self._inner = Sums(self.width), Sums(self.inner_width)
        self._sample = Reservoir(self.inner_width, self.seed)

    def add(self, keys: Sequence[Key], states: Rows, inner: Rows) -> None:
        self._heads.add(keys, states)
        self._inner.add(keys, inner)
        self._sample.add(inner)

    def concepts(self, least_support: int, most: int) -> Concepts:
        """The groundings that have support, each with the vector of its cluster: the mean of all states of all
        groundings in it. The spread is theirs around that vector."""
        facts = condense(self._heads, least_support, most)
        centres = k_means(self._sample.rows, self.clusters, self.seed)
        cluster = nearest(self._inner.means(facts.keys).astype(np.float32), centres)
        total, weight = np.zeros((len(centres), self.width)), np.bincount(cluster, facts.support, len(centres))
        np.add.at(total, cluster, facts.own * facts.support[:, None].astype(np.float64))
        return published(facts, (total / np.maximum(weight, 1)[:, None])[cluster].astype(np.float32))


def published(facts: Concepts, vectors: Floats) -> Concepts:
    """The facts with other vectors than their own means: the spread is their states' around those."""
    away = ((facts.own.astype(np.float64) - vectors) ** 2).sum(1)
    spread = np.sqrt(facts.dispersion.astype(np.float64) ** 2 + away)
    return replace(facts, centroids=vectors, dispersion=spread.astype(np.float32))


def k_means(rows: Floats, clusters: int, seed: int) -> Floats:
    """At most ``clusters`` centres of ``rows`` (n, d), by mini-batches; equal seeds give equal centres."""
    rng = np.random.default_rng(seed)
    centres = _first_centres(rows[rng.permutation(len(rows))[:SEEDED_FROM]], clusters, rng)
    counts = np.ones(len(centres))
    for _ in range(STEPS):
        batch = rows[rng.integers(len(rows), size=min(BATCH, len(rows)))]
        near = nearest(batch, centres)
        here = np.bincount(near, minlength=len(centres))
        total = np.zeros_like(centres)
        np.add.at(total, near, batch)
        counts += here
        centres += (total - here[:, None] * centres) / counts[:, None].astype(np.float32)
    return centres


def nearest(rows: Floats, centres: Floats) -> NDArray[np.int64]:
    """The centre that each row is nearest to, (n,)."""
    near: NDArray[np.int64] = ((centres**2).sum(1) - 2 * rows @ centres.T).argmin(1)
    return near


def _first_centres(rows: Floats, clusters: int, rng: np.random.Generator) -> Floats:
    """k-means++: each next centre is drawn with a chance that grows with its squared distance from those before."""
    chosen = [int(rng.integers(len(rows)))]
    away = ((rows - rows[chosen[0]]) ** 2).sum(1).astype(np.float64)
    while len(chosen) < clusters and away.sum() > 0:
        chosen.append(int(rng.choice(len(rows), p=away / away.sum())))
        away = np.minimum(away, ((rows - rows[chosen[-1]]) ** 2).sum(1))
    return rows[chosen].copy()
