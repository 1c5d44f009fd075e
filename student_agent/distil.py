"""A small encoder learns from packets of anchors alone (EmbedDistill, Kim et al. 2023, arXiv 2301.12005).

Two of its losses: *embedding matching*, which pulls a text's vector to the teacher's, and *score matching*, by which
the scores of a text against others of its batch become the teacher's scores. Half of the epochs put neighbours in the
teacher's space into one batch, so that scores have near misses to tell apart. No label is seen, and no pair.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from m2kt.errors import AlignmentRefused
from student_agent.bag import Bag, Shape, regression

TEMPERATURE = 0.05
"""Of the softmax over scores; cosines of sentence encoders lie close together."""


@dataclass(frozen=True)
class Schedule:
    """``scores`` weighs score matching against embedding matching; higher rates spoil what the start had right."""

    epochs: int = 8
    batch: int = 256
    rate: float = 1.5e-3
    scores: float = 0.5
    seed: int = 0


def learn(
    ids: Tensor,
    states: NDArray[np.floating],
    vocabulary: int,
    schedule: Schedule | None = None,
    shape: Shape | None = None,
) -> Bag:
    """A student whose vectors of the anchors ``ids`` (n, T) are like the teacher's ``states`` (n, d)."""
    schedule = schedule or Schedule()
    if len(ids) != len(states) or len(ids) < 2 * schedule.batch:
        raise AlignmentRefused(f"{len(ids)} texts and {len(states)} states: at least {2 * schedule.batch} are needed")
    if not np.isfinite(states).all():
        raise AlignmentRefused("a state of the anchors is NaN or infinite")
    wanted = unit(states)
    counts = np.bincount(ids.numpy().ravel(), minlength=vocabulary + 1)
    counts[0] = 0
    order = np.argsort(-counts, kind="stable")[: int((counts > 0).sum())]
    torch.manual_seed(schedule.seed)
    model = Bag(vocabulary, order, wanted.shape[1], shape)
    model.start(regression(ids, wanted, vocabulary), counts)
    _train(model, ids, wanted, schedule)
    return model.train(False)


def unit(states: NDArray[np.floating]) -> NDArray[np.float32]:
    """Rows of length 1; a row of zeros stays one."""
    rows = np.asarray(states, np.float32)
    found: NDArray[np.float32] = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return found


def _train(model: Bag, ids: Tensor, wanted: NDArray[np.float32], schedule: Schedule) -> None:
    rng, goal, lengths = np.random.default_rng(schedule.seed), torch.from_numpy(wanted), (ids > 0).sum(1)
    optimiser = torch.optim.Adam(model.parameters(), schedule.rate, betas=(0.9, 0.98))
    for epoch in range(schedule.epochs):
        batches = list(_neighbours(wanted, schedule.batch, rng) if epoch % 2 else _shuffled(len(ids), schedule, rng))
        for number, rows in enumerate(batches):
            _set_rate(optimiser, schedule, epoch + number / len(batches))
            made = model(ids[rows, : max(1, int(lengths[rows].max()))])
            loss = embedding_matching(made, goal[rows]) + schedule.scores * score_matching(made, goal[rows])
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()


def _set_rate(optimiser: torch.optim.Optimizer, schedule: Schedule, done: float) -> None:
    """Up within half an epoch, then down to nothing in a line."""
    share = min(1.0, 2 * done) * (1 - done / schedule.epochs) + 1e-3
    for group in optimiser.param_groups:
        group["lr"] = schedule.rate * share


def embedding_matching(made: Tensor, wanted: Tensor) -> Tensor:
    """Mean of 1 - cosine of unit rows (B, d)."""
    return (1 - (made * wanted).sum(1)).mean()


def score_matching(made: Tensor, wanted: Tensor) -> Tensor:
    """Divergence of the student's softmax over the scores of each text against the others from the teacher's."""
    itself = torch.eye(len(made), dtype=torch.bool)
    own, theirs = ((rows @ rows.T / TEMPERATURE).masked_fill(itself, -1e4).log_softmax(1) for rows in (made, wanted))
    return F.kl_div(own, theirs, reduction="batchmean", log_target=True)


def _shuffled(count: int, schedule: Schedule, rng: np.random.Generator) -> list[NDArray[np.int64]]:
    order = rng.permutation(count)
    return [order[start : start + schedule.batch] for start in range(0, count, schedule.batch)]


def _neighbours(wanted: NDArray[np.float32], most: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Groups of at most ``most`` rows that lie together: halves along the difference of two rows, again and again
    (a random projection tree, Dasgupta & Freund 2008), in random order."""
    groups = [np.arange(len(wanted))]
    while len(groups[0]) > most:
        groups = [half for rows in groups for half in _halves(wanted, rows, rng)]
    yield from (groups[each] for each in rng.permutation(len(groups)))


def _halves(wanted: NDArray[np.float32], rows: NDArray[np.int64], rng: np.random.Generator) -> list[NDArray[np.int64]]:
    one, other = rng.choice(rows, 2, replace=False)
    order = rows[np.argsort(wanted[rows] @ (wanted[one] - wanted[other]), kind="stable")]
    return [order[: len(order) // 2], order[len(order) // 2 :]]
