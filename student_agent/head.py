"""The auxiliary head of a static task: learned from the packet alone, beside a student whose core is not touched.

Its training data are Gaussian samples around the concepts, moved into the space where the head stands, with residuals
of held-out anchors drawn on top: what the map does not explain is noise that the head must live with.
"""

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from m2kt.neural.linear import Head, one_hot, train
from m2kt.packet.static import StaticKnowledge
from student_agent.anchoring import Fit, Rows, relative

SAMPLES = 16_000
SPREAD = 0.5
"""How much of a concept's own spread its samples have."""


class Direction(StrEnum):
    """Where the head reads: in the student's space, in the teacher's (the student's states are carried there), in
    coordinates relative to the anchors; or in the student's space again, taught by what the packet says of anchors."""

    TO_STUDENT = "teacher-to-student"
    TO_TEACHER = "student-to-teacher"
    RELATIVE = "relative"
    ANCHORS = "through-anchors"


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
