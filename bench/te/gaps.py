"""Where geometry might say more than answers: facts that are missing, and a teacher that errs now and then.

The same share is missing, or wrong, for all: the packet's vectors, the mean logits that can be recovered from them, and
packets that hold answers alone.
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
        packet, heard = overheard(trial, share)
        for name, changed in {**forms(knowledge_of(packet)), **counted(knowledge_of(packet), heard)}.items():
            yield variant("wrong outputs", f"{share:.0%}, {name}", controls.rebuilt(packet, changed))


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
    return {"answers, most of five": answering(knowledge, most), "answers, one of each": answering(knowledge, first)}


def overheard(trial: Trial, wrong: float) -> tuple[Packet, list[list[int]]]:
    """A packet of few outputs of each fact, a share of them ``wrong``; and the anchors that these outputs said."""
    teacher, found, settings = trial.scene.teacher, trial.found, trial.settings
    _, anchors, bias = anchors_of(teacher, found.shapes, found.decisions)
    operator = Overheard(anchors, bias, wrong, np.random.default_rng(trial.scene.seed))
    gather(teacher, found.shapes, found.decisions, sums=operator)
    concepts = operator.concepts(settings.least_support, settings.most_concepts)
    return trial.packet(concepts, settings), [operator.said[key] for key in concepts.keys]


@dataclass
class Overheard:
    """The operator *attribution* on the first outputs of each fact, of which some are another decision's."""

    anchors: NDArray[np.float32]  # (A, d)
    bias: NDArray[np.float32]  # (A,)
    wrong: float
    rng: np.random.Generator
    said: dict[Key, list[int]] = field(default_factory=dict)
    sums: Sums = field(init=False)
    layer: int = HEAD

    def __post_init__(self) -> None:
        self.sums = Sums(self.anchors.shape[1])

    def add(self, keys: Sequence[Key], states: Rows, inner: Rows) -> None:
        """See decisions of one class (`gather_rows`), n of them."""
        said = (states @ self.anchors.T.astype(np.float64) + self.bias).argmax(1)
        source = self._sources(said)
        kept = [row for row, key in enumerate(keys) if self._hear(key, int(said[source[row]]))]
        if kept:
            self.sums.add([keys[row] for row in kept], states[source[kept]])

    def concepts(self, least_support: int, most: int) -> Concepts:
        """Like any operator."""
        return self.sums.concepts(least_support, most)

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
