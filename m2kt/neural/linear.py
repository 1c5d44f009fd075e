"""Linear heads over states: a teacher's own, from its labels, and a student's, from samples of a packet."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own convention

DECAY = 1e-2
DECAYS = (1e-3, 1e-2, 1e-1)
"""What `tuned` chooses among."""
FOLDS = 5
ITERATIONS = 60

Rows = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Head:
    """``softmax(((x - mean) / scale) @ weight + bias)``."""

    mean: Rows
    scale: Rows
    weight: Rows  # (d, C)
    bias: Rows  # (C,)

    def logits(self, rows: NDArray[np.floating]) -> Rows:
        """(n, d) to (n, C)."""
        found: Rows = (np.asarray(rows, np.float64) - self.mean) / self.scale @ self.weight + self.bias
        return found

    def answers(self, rows: NDArray[np.floating]) -> NDArray[np.int64]:
        """The likeliest symbol of each row, (n,)."""
        found: NDArray[np.int64] = self.logits(rows).argmax(1)
        return found


def train(rows: NDArray[np.floating], targets: NDArray[np.floating], decay: float = DECAY) -> Head:
    """Multinomial regression of ``targets`` (n, C), probabilities, on ``rows`` (n, d); convex, so it has no seed."""
    x = np.asarray(rows, np.float64)
    mean, scale = x.mean(0), x.std(0) + 1e-9
    inputs, wanted = (torch.from_numpy(np.asarray(each, np.float32)) for each in ((x - mean) / scale, targets))
    weight = torch.zeros(inputs.shape[1], wanted.shape[1], requires_grad=True)
    bias = torch.zeros(wanted.shape[1], requires_grad=True)
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        found = F.cross_entropy(inputs @ weight + bias, wanted) + decay * weight.square().sum()
        torch.autograd.backward(found)
        return found

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    return Head(mean, scale, weight.detach().double().numpy(), bias.detach().double().numpy())


def folds(count: int, seed: int) -> NDArray[np.int64]:
    """The fifth that each of ``count`` rows is of, drawn by ``seed``, (count,)."""
    drawn: NDArray[np.int64] = np.random.default_rng([seed, 5]).permutation(count) % FOLDS
    return drawn


def tuned(rows: NDArray[np.floating], targets: NDArray[np.floating], seed: int) -> Head:
    """A head whose decay is the best of three on a fifth of its own rows, kept out; then trained on all of them."""
    out = folds(len(rows), seed) == 0
    losses = []
    for decay in DECAYS:
        logits = train(rows[~out], targets[~out], decay).logits(rows[out])
        shifted = logits - logits.max(1, keepdims=True)
        losses.append(-(targets[out] * (shifted - np.log(np.exp(shifted).sum(1, keepdims=True)))).sum(1).mean())
    return train(rows, targets, DECAYS[int(np.argmin(losses))])


def one_hot(symbols: NDArray[np.integer], count: int) -> NDArray[np.float32]:
    """(n,) to (n, count)."""
    rows: NDArray[np.float32] = np.eye(count, dtype=np.float32)[symbols]
    return rows
