"""Concepts: decision states with the same symbols in the role slots, as centroid, spread and support (eq. 9-10).

Chains stream through the teacher batch by batch; what is kept is one running sum per grounding, so memory grows with
the number of facts and not with the number of probes. `Sums` is the operator *attribution*: one concept for each
grounding that the causal swaps found (roles.py). The others are in clustering.py and bottleneck.py.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from m2kt.errors import ExtractionRefused
from m2kt.neural.forward import HEAD, forward, in_batches
from m2kt.neural.models import LanguageModel
from teacher_agent.agreement import Agreement
from teacher_agent.shapes import Shape
from teacher_agent.slots import Decision

Key = tuple[int, tuple[int, ...]]
"""A concept's decision class and the symbols in its role slots."""

Rows = NDArray[np.float64]


@dataclass(frozen=True)
class Concepts:
    """K concepts, the best supported first."""

    keys: tuple[Key, ...]
    centroids: NDArray[np.float32]  # (K, d)
    dispersion: NDArray[np.float32]  # (K,) root mean square distance of the grounding's states to the centroid
    support: NDArray[np.int32]  # (K,) states of the grounding
    covered: int  # decisions seen that belong to one of the K
    seen: int
    own: NDArray[np.float32]  # (K, d) mean of the grounding's own states, which is not what every operator publishes


class Collector(Protocol):
    """The interface of the extraction operators: they see every decision state once, and then tell their concepts."""

    layer: int
    """Hidden layer whose states it wants beside those at the head's input (`HEAD`: just those)."""

    def add(self, keys: Sequence[Key], states: Rows, inner: Rows) -> None:
        """See n decisions: their groundings, states at the head's input [n, d] and at ``layer`` [n, d']."""

    def concepts(self, least_support: int, most: int) -> Concepts:
        """At most ``most`` concepts, of groundings that were seen ``least_support`` times. `ExtractionRefused` when
        there are none."""


@dataclass
class Sums:
    """Running sums by concept: number, sum of states and of their squared norms."""

    width: int
    rows: dict[Key, int] = field(default_factory=dict)
    count: list[int] = field(default_factory=list)
    total: Rows = field(init=False)
    squares: Rows = field(init=False)
    layer: int = HEAD

    def __post_init__(self) -> None:
        self.total, self.squares = np.zeros((256, self.width)), np.zeros(256)

    def add(self, keys: Sequence[Key], states: Rows, inner: Any = None) -> None:
        """Add one state (row of ``states`` [n, d]) to each key's concept."""
        rows = np.array([self._row(key) for key in keys])
        np.add.at(self.total, rows, states)
        np.add.at(self.squares, rows, (states**2).sum(1))

    def concepts(self, least_support: int, most: int) -> Concepts:
        return condense(self, least_support, most)

    def means(self, keys: Sequence[Key]) -> Rows:
        """Mean state of each key, (n, d)."""
        rows = [self.rows[key] for key in keys]
        mean: Rows = self.total[rows] / np.array(self.count)[rows, None]
        return mean

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
    sums: Collector | None = None,
    agreement: Agreement | None = None,
) -> Collector:
    """Pass every chain through the teacher once and show its decision states to ``sums``."""
    sums = Sums(lm.head.weight.shape[1]) if sums is None else sums
    total, done = sum(len(shape.tokens) for shape in shapes), 0
    for number, shape in enumerate(shapes):
        here = [each for each in decisions if each.shape == number]
        gather_rows(lm, shape, here, shape.tokens, shape.symbols, sums, agreement or Agreement())
        done += len(shape.tokens)
        on_progress(done, total)
    return sums


def gather_rows(
    lm: LanguageModel,
    shape: Shape,
    decisions: Sequence[Decision],
    tokens: NDArray[np.int64],
    symbols: NDArray[np.int64],
    sums: Collector,
    agreement: Agreement,
) -> None:
    """The same for chains of one shape: ``tokens`` (N, T), ``symbols`` (N, L)."""
    places = shape.places[[each.position for each in decisions]] - 1

    def states(rows: slice) -> tuple[Rows, Rows]:
        return _states(lm, tokens[rows], places, sums.layer)

    for rows, (heads, inner) in in_batches(lm, len(tokens), tokens.shape[1], states):
        for place, each in enumerate(decisions):
            groundings = symbols[rows][:, list(each.roles)].tolist()
            keys: list[Key] = [(each.decision_class, tuple(grounding)) for grounding in groundings]
            agreement.add(keys, symbols[rows][:, each.position].tolist())
            sums.add(keys, heads[:, place], inner[:, place])


@torch.inference_mode()
def _states(lm: LanguageModel, tokens: NDArray[np.int64], places: NDArray[np.int64], layer: int) -> tuple[Rows, Rows]:
    """States at ``places``, (n, D, d), at the head's input and in ``layer``."""
    found = forward(lm, torch.from_numpy(tokens), places[:1].tolist(), layer)
    heads = found.head_inputs[:, places].double().cpu().numpy()
    if not np.isfinite(heads).all():
        raise ExtractionRefused(
            "the teacher's states hold NaN or infinity",
            hint="Load it in another dtype (bfloat16 overflows later than float16), or look at its weights.",
        )
    return heads, heads if layer == HEAD else found.inner[:, places].double().cpu().numpy()


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
        centroids.astype(np.float32),
    )
