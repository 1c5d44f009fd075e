"""One static task, one seed: a teacher, its packet, a student, and every control, all on the same split.

The teacher is a pretrained encoder with a linear head trained on ``train``; ``probes`` are unlabelled inputs that it
has not been trained on, ``anchors`` are the public set. Nothing looks at ``test`` but the last line of each row.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.anchored.travel import Source, Travel, travel
from m2kt.neural.encoders import States
from m2kt.packet.anchors import AnchorStates
from m2kt.packet.static import StaticKnowledge
from student_agent.anchoring import fit
from student_agent.grounding import ground
from student_agent.head import Direction, Head, one_hot, train
from teacher_agent.static import concepts

DECAYS = (1e-4, 1e-3, 1e-2, 1e-1)
COUNTS = (10, 100, 1000)
HEADLINE = 1000


@dataclass(frozen=True)
class View:
    """What both models make of some inputs: teacher (n, d_T), student (n, d_S), and labels (n,) where there are any."""

    teacher: States
    student: States
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """The parts of one seed; ``noise`` are anchors off every domain."""

    train: View
    probes: View
    anchors: View
    test: View
    noise: View
    source: Source


@dataclass(frozen=True)
class Row:
    """Which test items were answered rightly, and what else there is to tell."""

    right: NDArray[np.bool_]
    told: Mapping[str, Any]


def measure(parts: Split, symbols: tuple[str, ...], seed: int) -> dict[str, Row]:
    """All rows of one seed."""
    head = tuned(parts.train.teacher, one_hot(parts.train.labels, len(symbols)), seed)
    made = {
        count: concepts(parts.probes.teacher, head.answers(parts.probes.teacher), symbols, count, seed)
        for count in COUNTS
    }
    sent = travel(made[HEADLINE], parts.anchors.teacher, parts.source, len(parts.probes.teacher), seed)
    rows = {"teacher": _row(parts, head.answers(parts.test.teacher))}
    rows |= _ceilings(parts, symbols, head, seed)
    rows["packet"] = _taught(parts, sent.knowledge, sent.paired, seed, told={"ledger": sent.ledger})
    for direction in (Direction.TO_TEACHER, Direction.RELATIVE):
        rows[direction] = _taught(parts, sent.knowledge, sent.paired, seed, direction)
    for count in COUNTS[:-1]:
        rows[f"packet, K={count}"] = _taught(parts, made[count], sent.paired, seed)
    return rows | _controls(parts, sent, seed)


def _ceilings(parts: Split, symbols: tuple[str, ...], head: Head, seed: int) -> dict[str, Row]:
    """What the student reaches otherwise: on labels, on the teacher's logits, on its answers, through its head."""
    logits = head.logits(parts.anchors.teacher)
    soft = np.exp(logits - logits.max(1, keepdims=True))
    soft /= soft.sum(1, keepdims=True)
    seen, own = parts.anchors.student, one_hot(parts.train.labels, len(symbols))
    carried = fit(seen, parts.anchors.teacher, seed)
    return {
        "ceiling": _row(parts, tuned(parts.train.student, own, seed).answers(parts.test.student)),
        "kd": _row(parts, tuned(seen, soft, seed).answers(parts.test.student), logits_moved=len(seen)),
        "answers-only": _row(
            parts, tuned(seen, one_hot(logits.argmax(1), len(symbols)), seed).answers(parts.test.student)
        ),
        "head through the ridge, K=1": _row(parts, head.answers(carried(parts.test.student))),
        "majority": _row(parts, np.full(len(parts.test.labels), np.bincount(parts.train.labels).argmax())),
    }


def _controls(parts: Split, sent: Travel, seed: int) -> dict[str, Row]:
    """Packets that must not work; their refusals are written down, and then overruled to see what would have been."""
    rng, knowledge = np.random.default_rng([seed, 99]), sent.knowledge
    shuffled = replace(knowledge, emissions=rng.permutation(knowledge.emissions))
    vectors = knowledge.centroids.astype(np.float64)
    drawn = rng.normal(vectors.mean(0), vectors.std(0), vectors.shape)
    order = rng.permutation(len(parts.anchors.student))
    off = replace(sent.paired, states=parts.noise.teacher)
    return {
        "control: shuffled labels": _taught(parts, shuffled, sent.paired, seed, force=True),
        "control: random C": _taught(parts, replace(knowledge, centroids=drawn), sent.paired, seed, force=True),
        "control: shuffled anchors": _taught(
            parts, knowledge, sent.paired, seed, own=parts.anchors.student[order], force=True
        ),
        "control: noise anchors": _taught(parts, knowledge, off, seed, own=parts.noise.student, force=True),
    }


def _taught(
    parts: Split,
    knowledge: StaticKnowledge,
    paired: AnchorStates,
    seed: int,
    direction: Direction = Direction.TO_STUDENT,
    own: States | None = None,
    force: bool = False,
    told: Mapping[str, Any] | None = None,
) -> Row:
    found = ground(knowledge, paired, parts.anchors.student if own is None else own, direction, seed, force)
    facts = {each: round(value, 4) for each, value in found.report.items()}
    return _row(parts, found.answers(parts.test.student), concepts=len(knowledge.centroids), **facts, **(told or {}))


def _row(parts: Split, answers: NDArray[np.int64], **told: Any) -> Row:
    return Row(answers == parts.test.labels, told)


def tuned(rows: States, targets: NDArray[np.floating], seed: int) -> Head:
    """A head whose decay is the best of four on a fifth of its own rows, kept out; then trained on all of them."""
    out = np.random.default_rng([seed, 5]).permutation(len(rows)) % 5 == 0
    losses = []
    for decay in DECAYS:
        logits = train(rows[~out], targets[~out], decay).logits(rows[out])
        shifted = logits - logits.max(1, keepdims=True)
        losses.append(-(targets[out] * (shifted - np.log(np.exp(shifted).sum(1, keepdims=True)))).sum(1).mean())
    return train(rows, targets, DECAYS[int(np.argmin(losses))])
