"""Where geometry might say more than answers: facts that are missing, and a teacher that errs now and then.

The same share is missing, or wrong, for all: the packet's vectors, the mean logits that can be recovered from them, and
packets that hold answers alone. A teacher errs outright (a state is another decision's) or is unsure (all are blurred).
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from bench.te.packets import knowledge_of, recoverable
from bench.te.trials import Trial, Variant, variant
from m2kt.neural.forward import HEAD
from m2kt.packet import Packet, controls
from m2kt.packet.knowledge import Knowledge
from student_agent.projection import only
from teacher_agent.assembly import anchors_of
from teacher_agent.concepts import Concepts, Key, Rows, Sums, gather

MISSING = (0.25, 0.5)
WRONG = (0.1, 0.2, 0.4)
BLURS = (1.0, 2.0, 3.0)
"""Noise on every state, in root mean squares of the states around their mean: a teacher that is less and less sure."""
OUTPUTS_PER_FACT = 5
"""The least support of a concept: with many outputs of each fact every way to settle on one is right."""

Ints = NDArray[np.int64]


def variants(trial: Trial) -> Iterator[Variant]:
    """Every form of a packet, with facts missing and from outputs of which some are wrong."""
    base, seed = trial.base, trial.scene.seed
    knowledge = knowledge_of(base)
    for share in MISSING:
        kept = np.random.default_rng(seed).random(len(knowledge.centroids)) >= share
        for name, changed in forms(only(knowledge, kept)).items():
            yield variant("missing facts", f"{share:.0%}, {name}", controls.rebuilt(base, changed))
    for share in WRONG:
        yield from several("wrong outputs", f"{share:.0%}", *overheard(trial, wrong=share))
    for blur in BLURS:
        packet, heard = overheard(trial, blur=blur)
        told = (
            f"{blur:.0f} times their spread ({misheard(knowledge, knowledge_of(packet), heard):.0%} of outputs wrong)"
        )
        yield from several("blurred states", told, packet, heard)


def several(group: str, name: str, packet: Packet, heard: Sequence[Sequence[int]]) -> Iterator[Variant]:
    """Every form of a packet, and the answers that were ``heard``."""
    knowledge = knowledge_of(packet)
    for form, changed in {**forms(knowledge), **counted(knowledge, heard)}.items():
        yield variant(group, f"{name}, {form}", controls.rebuilt(packet, changed))


def misheard(clear: Knowledge, knowledge: Knowledge, heard: Sequence[Sequence[int]]) -> float:
    """Share of what was ``heard`` of K facts that a ``clear`` packet does not say of them; others are not counted."""
    named = zip(clear.classes.tolist(), clear.groundings.tolist(), strict=True)
    truth = {(number, *row): answer for (number, row), answer in zip(named, controls.decoded(clear), strict=True)}
    keys = [
        (number, *row) for number, row in zip(knowledge.classes.tolist(), knowledge.groundings.tolist(), strict=True)
    ]
    wrong = [said != truth[key] for key, each in zip(keys, heard, strict=True) if key in truth for said in each]
    return float(sum(wrong) / len(wrong))


def forms(knowledge: Knowledge) -> dict[str, Knowledge]:
    """The packet and the two that it is compared with."""
    return {
        "packet": knowledge,
        "recoverable": recoverable(knowledge),
        "answers-only": controls.answers_only(knowledge),
    }


def answering(knowledge: Knowledge, answers: Ints) -> Knowledge:
    """An answers-only packet that says these anchors, (K,), instead of what its concepts decode to."""
    changed = controls.answers_only(knowledge)
    units = np.eye(len(knowledge.anchors)) * controls.SHARPNESS
    return replace(changed, centroids=units[answers].astype(changed.centroids.dtype))


def counted(knowledge: Knowledge, heard: Sequence[Sequence[int]]) -> dict[str, Knowledge]:
    """Packets of the answers that were ``heard`` for each of K facts, without any geometry."""
    most = np.array([Counter(each).most_common(1)[0][0] for each in heard])
    first = np.array([each[0] for each in heard])
    return {
        "answers, most of five": answering(knowledge, most),
        "answers, one of each": answering(knowledge, first),
    }


def overheard(trial: Trial, wrong: float = 0.0, blur: float = 0.0) -> tuple[Packet, list[list[int]]]:
    """A packet of few outputs of each fact, a share of them ``wrong`` or all blurred; and the anchors these said."""
    teacher, found, settings = trial.scene.teacher, trial.found, trial.settings
    _, anchors, bias = anchors_of(teacher, found.shapes, found.decisions)
    operator = Overheard(anchors, bias, np.random.default_rng(trial.scene.seed), wrong, blur)
    gather(teacher, found.shapes, found.decisions, sums=operator)
    concepts = operator.concepts(settings.least_support, settings.most_concepts)
    return trial.packet(concepts, settings), [operator.said[key] for key in concepts.keys]


@dataclass
class Overheard:
    """The operator *attribution* on the first outputs of each fact, some of them another decision's or all blurred."""

    anchors: NDArray[np.float32]  # (A, d)
    bias: NDArray[np.float32]  # (A,)
    rng: np.random.Generator
    wrong: float = 0.0
    blur: float = 0.0
    said: dict[Key, list[int]] = field(default_factory=dict)
    sums: Sums = field(init=False)
    layer: int = HEAD

    def __post_init__(self) -> None:
        self.sums = Sums(self.anchors.shape[1])

    def add(self, keys: Sequence[Key], states: Rows, inner: Rows) -> None:
        """See decisions of one class (`gather_rows`), n of them."""
        shown = states[self._sources(self._said(states))]
        shown = shown + self.blur * np.sqrt(shown.var(0).mean()) * self.rng.normal(size=shown.shape)
        said = self._said(shown).tolist()
        kept = [row for row, key in enumerate(keys) if self._hear(key, said[row])]
        if kept:
            self.sums.add([keys[row] for row in kept], shown[kept])

    def concepts(self, least_support: int, most: int) -> Concepts:
        """Like any operator."""
        return self.sums.concepts(least_support, most)

    def _said(self, states: Rows) -> Ints:
        """The anchor that each state says, (n,)."""
        said: Ints = (states @ self.anchors.T.astype(np.float64) + self.bias).argmax(1)
        return said

    def _sources(self, said: Ints) -> Ints:
        """Whose state each decision shows, (n,): its own, or that of one which says something else."""
        source = np.arange(len(said))
        for row in np.flatnonzero(self.rng.random(len(said)) < self.wrong):
            others = np.flatnonzero(said != said[row])
            if len(others):
                source[row] = self.rng.choice(others)
        return source

    def _hear(self, key: Key, answer: int) -> bool:
        """Note an output, unless there are enough of this fact."""
        heard = self.said.setdefault(key, [])
        if len(heard) == OUTPUTS_PER_FACT:
            return False
        heard.append(answer)
        return True
