"""Concepts: decision states with the same symbols in the role slots, as centroid, spread and support (eq. 9-10).

Chains stream through the teacher batch by batch; what is kept is one running sum per concept, so memory grows with the
number of concepts and not with the number of probes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from m2kt.errors import ExtractionRefused
from m2kt.neural.forward import batched, forward, rows_per_batch
from m2kt.neural.models import LanguageModel
from teacher_agent.shapes import Shape
from teacher_agent.slots import Decision

Key = tuple[int, tuple[int, ...]]
"""A concept's decision class and the symbols in its role slots."""


@dataclass(frozen=True)
class Concepts:
    """K concepts, the best supported first."""

    keys: tuple[Key, ...]
    centroids: NDArray[np.float32]  # (K, d)
    dispersion: NDArray[np.float32]  # (K,) root mean square distance to the centroid
    support: NDArray[np.int32]  # (K,)
    covered: int  # decisions seen that belong to one of the K
    seen: int


@dataclass
class Sums:
    """Running sums by concept: number, sum of states and of their squared norms."""

    width: int
    rows: dict[Key, int] = field(default_factory=dict)
    count: list[int] = field(default_factory=list)
    total: NDArray[np.float64] = field(init=False)
    squares: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        self.total, self.squares = np.zeros((256, self.width)), np.zeros(256)

    def add(self, keys: Sequence[Key], states: NDArray[np.float64]) -> None:
        """Add one state (row of ``states`` [n, d]) to each key's concept."""
        rows = np.array([self._row(key) for key in keys])
        np.add.at(self.total, rows, states)
        np.add.at(self.squares, rows, (states**2).sum(1))

    def _row(self, key: Key) -> int:
        row = self.rows.setdefault(key, len(self.rows))
        if row == len(self.count):
            self.count.append(0)
            if row == len(self.squares):
                self.total = np.concatenate([self.total, np.zeros_like(self.total)])
                self.squares = np.concatenate([self.squares, np.zeros_like(self.squares)])
        self.count[row] += 1
        return row


def gather(
    lm: LanguageModel,
    shapes: Sequence[Shape],
    decisions: Sequence[Decision],
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    sums: Sums | None = None,
) -> Sums:
    """Pass every chain through the teacher once and add its states at the head's input to ``sums``, by concept."""
    sums = Sums(lm.head.weight.shape[1]) if sums is None else sums
    total, done = sum(len(shape.tokens) for shape in shapes), 0
    for number, shape in enumerate(shapes):
        here = [each for each in decisions if each.shape == number]
        for rows in batched(len(shape.tokens), rows_per_batch(lm, shape.tokens.shape[1])):
            _gather_batch(lm, shape, here, rows, sums)
            done += rows.stop - rows.start
            on_progress(done, total)
    return sums


@torch.inference_mode()
def _gather_batch(lm: LanguageModel, shape: Shape, decisions: Sequence[Decision], rows: slice, sums: Sums) -> None:
    states = forward(lm, torch.from_numpy(shape.tokens[rows])).head_inputs
    for each in decisions:
        at = states[:, shape.places[each.position] - 1].double().cpu().numpy()  # (n, d)
        if not np.isfinite(at).all():
            raise ExtractionRefused("the teacher's states hold NaN or infinity", hint="Load it in another dtype.")
        groundings = shape.symbols[rows][:, list(each.roles)].tolist()
        sums.add([(each.decision_class, tuple(grounding)) for grounding in groundings], at)


def condense(sums: Sums, least_support: int, most: int) -> Concepts:
    """Centroids of the concepts with enough support, at most ``most`` of them."""
    count = np.array(sums.count)
    kept = [int(row) for row in np.argsort(-count, kind="stable") if count[row] >= least_support][:most]
    if not kept:
        raise ExtractionRefused(f"no concept has {least_support} members", hint="Give more probes.")
    keys = list(sums.rows)
    centroids = sums.total[kept] / count[kept, None]
    variance = sums.squares[kept] / count[kept] - (centroids**2).sum(1)
    return Concepts(
        tuple(keys[row] for row in kept),
        centroids.astype(np.float32),
        np.sqrt(np.maximum(variance, 0)).astype(np.float32),
        count[kept].astype(np.int32),
        int(count[kept].sum()),
        int(count.sum()),
    )
