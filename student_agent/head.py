"""The auxiliary head of a static task: learned from the packet alone, beside a student whose core is not touched.

Its training data are Gaussian samples around the concepts, moved into the space where the head stands, with residuals
of held-out anchors drawn on top: what the map does not explain is noise that the head must live with.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from m2kt.packet.static import StaticKnowledge
from student_agent.anchoring import Fit, Rows, relative

SAMPLES = 16_000
SPREAD = 0.5
"""How much of a concept's own spread its samples have."""
DECAY = 1e-2
ITERATIONS = 60


class Direction(StrEnum):
    """Where the head reads: in the student's space, in the teacher's (the student's states are carried there), in
    coordinates relative to the anchors; or in the student's space again, taught by what the packet says of anchors."""

    TO_STUDENT = "teacher-to-student"
    TO_TEACHER = "student-to-teacher"
    RELATIVE = "relative"
    ANCHORS = "through-anchors"


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


def one_hot(symbols: NDArray[np.integer], count: int) -> NDArray[np.float32]:
    """(n,) to (n, count)."""
    rows: NDArray[np.float32] = np.eye(count, dtype=np.float32)[symbols]
    return rows


def drawn(knowledge: StaticKnowledge, rng: np.random.Generator, count: int = SAMPLES) -> tuple[Rows, NDArray[np.int64]]:
    """Samples of the packet's mixture in the teacher's space (count, d), and what it says of them (count,)."""
    weight = knowledge.weight.astype(np.float64)
    which = rng.choice(len(weight), count, p=weight / weight.sum())
    spread = SPREAD * np.sqrt(knowledge.variance.astype(np.float64))[which]
    rows = knowledge.centroids.astype(np.float64)[which] + spread * rng.normal(size=spread.shape)
    return rows, knowledge.emissions[which].astype(np.int64)


def learn(knowledge: StaticKnowledge, found: Fit, direction: Direction, seed: int) -> Head:
    """A head over the student's space (``found`` maps there) or over the teacher's (``found`` comes from the
    student's, and its residuals are what a carried state lacks)."""
    rng = np.random.default_rng(seed)
    rows, said = drawn(knowledge, rng)
    noise = found.residuals[rng.integers(len(found.residuals), size=len(rows))]
    moved = found(rows) + noise if direction == Direction.TO_STUDENT else rows - noise
    return train(moved, one_hot(said, len(knowledge.symbols)))


def learn_relative(knowledge: StaticKnowledge, anchors: NDArray[np.floating], seed: int) -> Head:
    """A head over coordinates relative to ``anchors`` (A, d_T), which a student reads in its own space."""
    rows, said = drawn(knowledge, np.random.default_rng(seed))
    return train(relative(rows, anchors), one_hot(said, len(knowledge.symbols)))


def learn_through(
    knowledge: StaticKnowledge, theirs: NDArray[np.floating], own: NDArray[np.floating], seed: int
) -> Head:
    """A head over the student's space, without a map: what the packet's mixture says of the teacher's states
    ``theirs`` (A, d_T) of the anchors is what the head must say of the student's states ``own`` (A, d_S)."""
    rows, said = drawn(knowledge, np.random.default_rng(seed))
    logits = train(rows, one_hot(said, len(knowledge.symbols))).logits(theirs)
    likely = np.exp(logits - logits.max(1, keepdims=True))
    return train(own, likely / likely.sum(1, keepdims=True))
