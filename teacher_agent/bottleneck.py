"""The operator *concept bottleneck*: a sparse dictionary trained on the teacher's decision states (section V-A).

Every state is squeezed through a code of which at most ``active`` of ``atoms`` values are not zero, and read out again
as a state at the head's input: a top-k autoencoder (Makhzani and Frey 2014; Gao et al. 2024), or, for a layer below the
head, the transcoder between them. A grounding's concept is what the bottleneck lets through of its mean state: a sum of
a few atoms that all concepts share. One pass over the probes; the dictionary is trained on a sample of bounded size.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from teacher_agent.clustering import published
from teacher_agent.concepts import Concepts, Key, Rows, Sums, condense
from teacher_agent.reservoir import Reservoir

STEPS, BATCH, RATE = 400, 512, 3e-3


class Dictionary(nn.Module):
    """``atoms`` directions of the head's input (m, d), and how much of each is in a state (n, d')."""

    inner_mean: Tensor
    inner_scale: Tensor
    mean: Tensor
    scale: Tensor

    def __init__(self, inner: Tensor, heads: Tensor, atoms: int, active: int) -> None:
        super().__init__()
        self._active = min(active, atoms)
        self.register_buffer("inner_mean", inner.mean(0))
        self.register_buffer("inner_scale", _scale(inner))
        self.register_buffer("mean", heads.mean(0))
        self.register_buffer("scale", _scale(heads))
        self.encode = nn.Linear(inner.shape[1], atoms)
        self.atoms = nn.Parameter(nn.functional.normalize(torch.randn(atoms, heads.shape[1]), dim=1))
        if inner.shape[1] == heads.shape[1]:
            self.encode.weight.data.copy_(self.atoms.detach())

    def code(self, inner: Tensor) -> Tensor:
        """Sparse codes, (n, m): the largest ``active`` values, and none below zero."""
        raw = self.encode((inner - self.inner_mean) / self.inner_scale)
        top = raw.topk(self._active, dim=-1)
        return torch.zeros_like(raw).scatter(-1, top.indices, top.values.relu())

    def forward(self, inner: Tensor) -> Tensor:
        """What the bottleneck lets through, as states at the head's input (n, d)."""
        through: Tensor = self.code(inner) @ self.atoms * self.scale + self.mean
        return through


def _scale(rows: Tensor) -> Tensor:
    """Root mean square distance from the mean, by coordinate."""
    return ((rows - rows.mean(0)) ** 2).mean().sqrt().clamp(min=1e-6)


@dataclass
class Bottleneck:
    """Sees decision states of ``inner_width`` at ``layer`` and of ``width`` at the head's input."""

    width: int
    inner_width: int
    layer: int
    atoms: int
    active: int
    seed: int
    _heads: Sums = field(init=False)
    _inner: Sums = field(init=False)
    _sample: Reservoir = field(init=False)

    def __post_init__(self) -> None:
        self._heads, self._inner = Sums(self.width), Sums(self.inner_width)
        self._sample = Reservoir(self.inner_width + self.width, self.seed)

    def add(self, keys: Sequence[Key], states: Rows, inner: Rows) -> None:
        self._heads.add(keys, states)
        self._inner.add(keys, inner)
        self._sample.add(np.concatenate([inner, states], 1))

    def concepts(self, least_support: int, most: int) -> Concepts:
        """The groundings that have support, each with what the bottleneck lets through of its mean state."""
        facts = condense(self._heads, least_support, most)
        sample = torch.from_numpy(self._sample.rows)
        dictionary = train(
            sample[:, : self.inner_width], sample[:, self.inner_width :], self.atoms, self.active, self.seed
        )
        with torch.inference_mode():
            through = dictionary(torch.from_numpy(self._inner.means(facts.keys).astype(np.float32)))
        return published(facts, through.numpy())


def train(inner: Tensor, heads: Tensor, atoms: int, active: int, seed: int) -> Dictionary:
    """A dictionary that reads ``inner`` (n, d') and writes ``heads`` (n, d) with least squared error."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        dictionary = Dictionary(inner, heads, atoms, active)
        optimiser = torch.optim.Adam(dictionary.parameters(), RATE)
        for _ in range(STEPS):
            rows = torch.randint(len(inner), (min(BATCH, len(inner)),))
            loss = ((dictionary(inner[rows]) - heads[rows]) / dictionary.scale).pow(2).mean()
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
    return dictionary.requires_grad_(False)
