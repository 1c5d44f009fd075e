"""A small text encoder without layers of tokens: what word pieces weigh in their context, and one hidden layer.

Two million parameters must hold a vocabulary. Frequent pieces get wide vectors and rare ones narrow (adaptive
embeddings, Baevski & Auli 2019), all starting as the closed-form regression of a text's pieces on the teacher's state.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from m2kt.neural.models import Tokenizer

LONGEST = 96
"""Pieces that are read of a text."""
RIDGE, TURNS = 0.1, 20
"""Lambda of the start's regression, and its conjugate gradient steps: far from converged, which also regularises."""


@dataclass(frozen=True)
class Shape:
    """``bands``: how many of the next most frequent pieces have vectors of which width; -1 is all that are left."""

    bands: tuple[tuple[int, int], ...] = ((6000, 136), (-1, 60))
    hidden: int = 192
    attention: int = 32


def pieces(tokenizer: Tokenizer, inputs: Sequence[str]) -> Tensor:
    """Ids without special tokens, each plus 1, (n, T); 0 pads."""
    rows = tokenizer(list(inputs), add_special_tokens=False, truncation=True, max_length=LONGEST)["input_ids"]
    padded = np.zeros((len(rows), max(1, *map(len, rows)) if rows else 1), np.int64)
    for row, ids in zip(padded, rows, strict=True):
        row[: len(ids)] = np.asarray(ids, np.int64) + 1
    return torch.from_numpy(padded)


class Bag(nn.Module):
    """``normalize(b + mlp(b))`` of ``b = mean_i exp(w_i + q(a) . k(v_i)) v_i``, where ``v_i`` are the pieces' vectors
    and ``a`` is their plain mean: what a piece weighs depends on itself and on the text that it stands in."""

    band: Tensor
    place: Tensor

    def __init__(self, vocabulary: int, order: NDArray[np.int64], width: int, shape: Shape | None = None) -> None:
        """``order``: pieces (plus 1) by falling frequency; others have no vector. ``width``: of the teacher."""
        super().__init__()
        shape = shape or Shape()
        self.register_buffer("band", torch.full((vocabulary + 1,), -1))
        self.register_buffer("place", torch.zeros(vocabulary + 1, dtype=torch.long))
        self.tables, self.lifts = nn.ParameterList(), nn.ParameterList()  # (count, narrow), (width, narrow)
        cut = zip(_cut(order, [count for count, _ in shape.bands]), shape.bands, strict=True)
        bands = [(rows, narrow) for rows, (_, narrow) in cut if len(rows)]
        self.rows = tuple(rows for rows, _ in bands)
        for number, (rows, narrow) in enumerate(bands):
            self.band[torch.from_numpy(rows)] = number
            self.place[torch.from_numpy(rows)] = torch.arange(len(rows))
            narrow = min(narrow, width)
            self.tables.append(nn.Parameter(torch.randn(len(rows), narrow) / width))
            self.lifts.append(nn.Parameter(torch.randn(width, narrow) / width**0.5))
        self.weigh = nn.Parameter(torch.zeros(vocabulary + 1))
        self.key, self.query = (nn.Linear(width, shape.attention, bias=False) for _ in range(2))
        last = nn.Linear(shape.hidden, width)
        self.through = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, shape.hidden), nn.GELU(), last)
        for idle in (self.query.weight, last.weight, last.bias):
            nn.init.zeros_(idle)  # so that the model starts as the regression

    def forward(self, ids: Tensor) -> Tensor:
        """(B, T), padded with 0, to unit vectors (B, width)."""
        here = ids > 0
        row, column = here.nonzero(as_tuple=True)
        flat, count = ids[row, column], here.sum(1, keepdim=True).clamp(min=1)
        parts = [self._part(number, row, flat) for number in range(len(self.rows))]
        plain = self._lifted(parts, len(ids), [None] * len(parts)) / count
        asked = self.query(F.normalize(plain, dim=-1)) @ self.key.weight  # (B, width)
        weights = [
            (self.weigh[flat[where]] + ((asked @ lift)[rows] * vectors).sum(1)).exp()
            for (where, rows, vectors), lift in zip(parts, self.lifts, strict=True)
        ]
        bag = self._lifted(parts, len(ids), weights) / count
        return F.normalize(bag + self.through(bag), dim=-1)

    def _part(self, number: int, row: Tensor, flat: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The pieces of one band: where they are among all (N,), in which texts, and their narrow vectors."""
        where = (self.band[flat] == number).nonzero()[:, 0]
        return where, row[where], F.embedding(self.place[flat[where]], self.tables[number])

    def _lifted(
        self, parts: Sequence[tuple[Tensor, Tensor, Tensor]], count: int, weights: Sequence[Tensor | None]
    ) -> Tensor:
        """Sums of the vectors of every text, (count, width): summed while narrow, which is what makes it fast."""
        total = self.weigh.new_zeros(count, self.key.in_features)
        for (_, rows, vectors), weight, lift in zip(parts, weights, self.lifts, strict=True):
            heavy = vectors if weight is None else vectors * weight[:, None]
            total = total + vectors.new_zeros(count, vectors.shape[1]).index_add(0, rows, heavy) @ lift.T
        return total

    @torch.no_grad()
    def start(self, vectors: NDArray[np.float32], counts: NDArray[np.int64]) -> None:
        """Take the best low-rank form of ``vectors`` (V + 1, width), band by band, pieces weighing as they occur."""
        for rows, table, lift in zip(self.rows, self.tables, self.lifts, strict=True):
            seen = vectors[rows] * np.sqrt(counts[rows])[:, None]
            _, found = np.linalg.eigh(seen.T @ seen)
            basis = np.ascontiguousarray(found[:, ::-1][:, : table.shape[1]])  # (width, narrow)
            table.copy_(torch.from_numpy(vectors[rows] @ basis))
            lift.copy_(torch.from_numpy(basis))


def _cut(order: NDArray[np.int64], counts: Sequence[int]) -> list[NDArray[np.int64]]:
    """``order`` in parts of ``counts``, -1 being the rest."""
    ends = [0]
    for count in counts:
        ends.append(len(order) if count < 0 else min(len(order), ends[-1] + count))
    return [order[first:last] for first, last in pairwise(ends)]


def regression(ids: Tensor, wanted: NDArray[np.float32], vocabulary: int) -> NDArray[np.float32]:
    """Vectors (V + 1, width) whose means over a text's pieces are closest to ``wanted`` (n, width): ridge regression
    by conjugate gradients (Hestenes & Stiefel 1952), every column of the target for itself."""
    here = ids > 0
    row, column = here.nonzero(as_tuple=True)
    share = (1 / here.sum(1).clamp(min=1).float())[row]
    places = torch.stack([row, ids[row, column]])
    means = torch.sparse_coo_tensor(places, share, (len(ids), vocabulary + 1), check_invariants=True).coalesce()
    back, target = means.t().coalesce(), torch.from_numpy(wanted)
    left = torch.sparse.mm(back, target)
    found, towards, size = torch.zeros_like(left), left.clone(), left.square().sum(0)
    for _ in range(TURNS):
        moved = torch.sparse.mm(back, torch.sparse.mm(means, towards)) + RIDGE * towards
        step = size / (towards * moved).sum(0).clamp(min=1e-12)
        found, left = found + step * towards, left - step * moved
        size, before = left.square().sum(0), size
        towards = left + size / before.clamp(min=1e-12) * towards
    vectors: NDArray[np.float32] = found.numpy()
    return vectors
