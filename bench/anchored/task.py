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
from m2kt.neural.linear import Head, one_hot, tuned
from m2kt.packet.anchors import AnchorStates
from m2kt.packet.static import StaticKnowledge
from student_agent.anchoring import FARTHEST, LEAST_EXPLAINED, Fit, fit
from student_agent.grounded import Grounded
from student_agent.grounding import best_direction, ground
from student_agent.head import Direction
from teacher_agent.static import concepts

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


OVERRULED = ", overruled"
"""Behind a control's name: the same with the student's refusal overruled."""


@dataclass(frozen=True)
class Row:
    """Which test items were answered rightly, and what else there is to tell."""

    right: NDArray[np.bool_]
    told: Mapping[str, Any]


@dataclass(frozen=True)
class Stage:
    """What the rows of one seed share: the teacher's head, what travelled, and the fits on the true anchors."""

    parts: Split
    symbols: tuple[str, ...]
    seed: int
    head: Head
    sent: Travel
    fits: Mapping[Direction, Fit]
    best: Direction

    def taught(
        self, knowledge: StaticKnowledge, direction: Direction | None = None, force: bool = False, **told: Any
    ) -> Row:
        """A student that was grounded on the true anchors."""
        direction = direction or self.best
        made = ground(
            knowledge, self.sent.paired, self.parts.anchors.student, direction, self.seed, force, self.fits[direction]
        )
        return _judged(self.parts, knowledge, made, told)

    def misled(self, paired: AnchorStates, own: States) -> Row:
        """A student that was grounded on others; what would have refused it is told, and overruled."""
        made = ground(self.sent.knowledge, paired, own, self.best, self.seed, force=True)
        return _judged(self.parts, self.sent.knowledge, made, {})


def measure(parts: Split, symbols: tuple[str, ...], seed: int) -> dict[str, Row]:
    """All rows of one seed."""
    head = tuned(parts.train.teacher, one_hot(parts.train.labels, len(symbols)), seed)
    asked = parts.probes.teacher
    made = {count: concepts(asked, head.answers(asked), symbols, count, seed) for count in COUNTS}
    sent = travel(made[HEADLINE], parts.anchors.teacher, parts.source, len(asked), seed)
    theirs, own = sent.paired.states, parts.anchors.student
    back = fit(own, theirs, seed)
    fits = dict.fromkeys(Direction, back) | {Direction.TO_STUDENT: fit(theirs, own, seed)}
    best, _ = best_direction(fits[Direction.TO_STUDENT], back)
    stage = Stage(parts, symbols, seed, head, sent, fits, best)
    rows = {"teacher": _row(parts, head.answers(parts.test.teacher)), **_ceilings(stage)}
    rows["packet"] = stage.taught(sent.knowledge, ledger=sent.ledger)
    for direction in Direction:
        rows[f"packet, {direction}"] = stage.taught(sent.knowledge, direction)
    for count in COUNTS[:-1]:
        rows[f"packet, K={count}"] = stage.taught(made[count])
    return rows | _controls(stage, rows["majority"])


def _ceilings(stage: Stage) -> dict[str, Row]:
    """What the student reaches otherwise: on labels, on the teacher's logits, on its answers, through its head."""
    parts, head, count = stage.parts, stage.head, len(stage.symbols)
    logits = head.logits(parts.anchors.teacher)
    soft = np.exp(logits - logits.max(1, keepdims=True))
    soft /= soft.sum(1, keepdims=True)
    seen, test = parts.anchors.student, parts.test.student
    taught = {
        "ceiling": tuned(parts.train.student, one_hot(parts.train.labels, count), stage.seed),
        "kd": tuned(seen, soft, stage.seed),
        "answers-only": tuned(seen, one_hot(logits.argmax(1), count), stage.seed),
    }
    rows = {name: _row(parts, each.answers(test)) for name, each in taught.items()}
    rows["head through the ridge, K=1"] = _row(parts, head.answers(stage.fits[Direction.TO_TEACHER](test)))
    rows["majority"] = _row(parts, np.full(len(test), np.bincount(parts.train.labels).argmax()))
    return rows


def _controls(stage: Stage, without: Row) -> dict[str, Row]:
    """Packets and anchors that must not work: what a user gets of each, and what overruling a refusal would give."""
    overruled = _overruled(stage)
    told = {name: kept(row, without) for name, row in overruled.items()}
    return told | {f"{name}{OVERRULED}": row for name, row in overruled.items()}


def kept(row: Row, without: Row) -> Row:
    """What a user gets: where the student refuses nothing is applied, so it answers as it does ``without``."""
    return Row(without.right, row.told) if row.told["refused"] else row


def _overruled(stage: Stage) -> dict[str, Row]:
    """The controls, each forced on the student."""
    rng, knowledge, parts = np.random.default_rng([stage.seed, 99]), stage.sent.knowledge, stage.parts
    shuffled = replace(knowledge, emissions=rng.permutation(knowledge.emissions))
    vectors = knowledge.centroids.astype(np.float64)
    drawn = replace(knowledge, centroids=rng.normal(vectors.mean(0), vectors.std(0), vectors.shape))
    order = rng.permutation(len(parts.anchors.student))
    return {
        "control: shuffled labels": stage.taught(shuffled, force=True),
        "control: random C": stage.taught(drawn, force=True),
        "control: shuffled anchors": stage.misled(stage.sent.paired, parts.anchors.student[order]),
        "control: noise anchors": stage.misled(
            replace(stage.sent.paired, states=parts.noise.teacher), parts.noise.student
        ),
    }


def _judged(parts: Split, knowledge: StaticKnowledge, made: Grounded, told: Mapping[str, Any]) -> Row:
    facts = {each: round(value, 4) for each, value in made.report.items()}
    answers = made.answers(parts.test.student)
    return _row(parts, answers, concepts=len(knowledge.centroids), **facts, refused=refusal(made.report), **told)


def refusal(report: Mapping[str, float]) -> float:
    """1 where the student would have refused these anchors."""
    return float(not (report["away"] <= FARTHEST and report["explained"] >= LEAST_EXPLAINED))


def _row(parts: Split, answers: NDArray[np.int64], **told: Any) -> Row:
    return Row(answers == parts.test.labels, told)
