"""The concepts as points in the teacher's space, and the numbers in which honest ones differ from planted ones.

Everything is relative to the packet itself: medians and median absolute deviations (MAD) of its own concepts, so that
no number depends on a teacher's width or scale. Rows: K concepts, d wide; A anchors. All arithmetic is float64 except
similarities, which are float32 and computed in blocks: memory is bounded by ``BLOCK`` rows times ``REFERENCE`` rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from m2kt.packet.controls import decoded
from m2kt.packet.knowledge import Knowledge

NEIGHBOURS = 10
LONELY = 5
BLOCK = 1024
REFERENCE = 8192
"""Concepts that neighbours are looked for among; of larger packets a seeded sample."""
LEAST_GROUP = 12
"""Concepts of one answer, or of one class, below which nothing can be told from chance."""
MAD = 1.4826
"""Scaled so that one MAD of normal data is one standard deviation."""

Values = NDArray[np.float64]
Rows = NDArray[np.intp]


def deviations(values: Values, floor: float = 0.0) -> Values:
    """Signed distance from the median in scaled MADs; ``floor`` (a share of the median) keeps equal values apart."""
    median = float(np.median(values))
    spread = max(MAD * float(np.median(np.abs(values - median))), floor * abs(median), 1e-12)
    found: Values = (values - median) / spread
    return found


@dataclass(frozen=True)
class Geometry:
    """Statistics of one packet's concepts, each computed when it is first asked for."""

    knowledge: Knowledge

    @cached_property
    def rows(self) -> Values:
        """(K, d)"""
        return self.knowledge.centroids.astype(np.float64)

    @cached_property
    def directions(self) -> NDArray[np.float32]:
        """(K, d) unit vectors from the mean of their decision class."""
        centred = self.rows.copy()
        for each in np.unique(self.knowledge.classes):
            members = self.knowledge.classes == each
            centred[members] -= np.median(centred[members], axis=0)
        lengths = np.linalg.norm(centred, axis=1, keepdims=True)
        units: NDArray[np.float32] = (centred / np.maximum(lengths, 1e-12)).astype(np.float32)
        return units

    @cached_property
    def _pool(self) -> Rows:
        count = len(self.rows)
        if count <= REFERENCE:
            return np.arange(count)
        return np.sort(np.random.default_rng(count).choice(count, REFERENCE, replace=False))

    @cached_property
    def _neighbours(self) -> tuple[NDArray[np.int64], Values]:
        """How often each concept stands in another's list of nearest (K,), and its distance to its own (K,)."""
        occurrences = np.zeros(len(self.rows), np.int64)
        distance = np.empty(len(self.rows))
        pool = self.directions[self._pool]
        for start in range(0, len(self.rows), BLOCK):
            block = slice(start, start + BLOCK)
            similar = self.directions[block] @ pool.T  # (b, P)
            own = self._pool[None, :] == np.arange(start, start + len(similar))[:, None]
            similar[own] = -np.inf
            nearest = np.argpartition(-similar, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]  # (b, NEIGHBOURS)
            np.add.at(occurrences, self._pool[nearest].ravel(), 1)
            ranked = np.sort(np.take_along_axis(similar, nearest, axis=1), axis=1)[:, ::-1]
            distance[block] = 1.0 - ranked[:, LONELY - 1]
        return occurrences, distance

    def hubs(self) -> Values:
        """(K,) lists of nearest neighbours that a concept stands in, over what the upper 5 % of concepts stand in.

        A hub answers for inputs that are not its own (hubness; Radovanovic et al. 2010).
        """
        occurrences = self._neighbours[0].astype(np.float64)
        return occurrences / max(float(np.quantile(occurrences[self._pool], 0.95)), 1.0)

    def loneliness(self) -> Values:
        """(K,) deviations of the cosine distance to the fifth neighbour: vectors no teacher's state lies near."""
        return deviations(self._neighbours[1], floor=0.05)

    def margins(self) -> Values:
        """(K,) deviations of the gap between the best and the second best anchor's logit, within a decision class."""
        anchors = self.knowledge.anchors.astype(np.float64)
        if len(anchors) < 2:
            return np.zeros(len(self.rows))
        logits = np.partition(self.rows @ anchors.T + self.knowledge.anchor_bias, -2, axis=1)
        return self._by_class(logits[:, -1] - logits[:, -2])

    def spreads(self) -> Values:
        """(K,) deviations of the logarithm of the dispersion, within a decision class."""
        return self._by_class(np.log(np.maximum(self.knowledge.dispersion.astype(np.float64), 1e-9)))

    def _by_class(self, values: Values) -> Values:
        """`deviations` within each decision class: classes decide different things, and differ. Small ones get 0."""
        found = np.zeros(len(values))
        for each in np.unique(self.knowledge.classes):
            members = self.knowledge.classes == each
            if members.sum() >= LEAST_GROUP:
                found[members] = deviations(values[members], floor=0.05)
        return found

    def signatures(self) -> Values:
        """(K,) deviations along the leading direction of a concept's own answer (spectral signature; Tran et al. 2018).

        Concepts of answers with fewer than ``LEAST_GROUP`` concepts get 0.
        """
        found = np.zeros(len(self.rows))
        for members in self._groups():
            centred = self.rows[members] - np.median(self.rows[members], axis=0)
            leading = np.linalg.svd(centred, full_matrices=False)[2][0]
            found[members] = np.abs(deviations(np.abs(centred @ leading), floor=0.05))
        return found

    def _groups(self) -> Iterator[Rows]:
        answers = decoded(self.knowledge)
        keys = self.knowledge.classes.astype(np.int64) * (int(answers.max()) + 1) + answers
        for each in np.unique(keys):
            members = np.flatnonzero(keys == each)
            if len(members) >= LEAST_GROUP:
                yield members

    def rank_share(self) -> float:
        """Effective rank (exponential of the spectrum's entropy; Roy and Vetterli 2007) over the largest possible."""
        sample = self.directions[self._pool].astype(np.float64)
        values = np.linalg.svd(sample - sample.mean(axis=0), compute_uv=False)
        share = values**2 / max(float((values**2).sum()), 1e-300)
        entropy = -float((share * np.log(np.maximum(share, 1e-300))).sum())
        largest = min(len(sample) - 1, sample.shape[1])
        return float(np.exp(entropy) / largest)

    def twins(self) -> Rows:
        """Rows that are bit-equal to an earlier row of the same class: a teacher's states hardly ever are."""
        kept = np.column_stack([self.knowledge.classes.astype(np.float64), self.rows])
        _, first = np.unique(kept, axis=0, return_index=True)
        return np.setdiff1d(np.arange(len(kept)), first)
