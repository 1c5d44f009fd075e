"""Honest packets by the hundred, from a real teacher: its chains, shapes and roles are found once, and every packet
gets its concepts from another random half of the teacher's decision states."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from m2kt.domains import load as load_domain
from m2kt.neural.models import LanguageModel, load, offline, pick_device, set_threads
from m2kt.packet import Packet
from m2kt.packet.knowledge import Knowledge
from teacher_agent.build import build
from teacher_agent.concepts import Concepts, Key, Sums, condense, gather
from teacher_agent.extract import Extraction, Settings, Survey, assemble, survey
from teacher_agent.label import Label
from teacher_agent.roles import SwapSettings

SHARE = 0.5
DOMAIN = "chains"


@dataclass
class Recorded(Sums):
    """Sums that also remember every state."""

    keys: list[Key] = field(default_factory=list)
    states: list[NDArray[np.float32]] = field(default_factory=list)

    def add(self, keys: Sequence[Key], states: NDArray[np.float64], inner: object = None) -> None:
        self.keys.extend(keys)
        self.states.append(states.astype(np.float32))


@dataclass(frozen=True)
class Harvest:
    """A teacher surveyed once."""

    lm: LanguageModel
    settings: Settings
    found: Survey
    keys: list[Key]
    states: NDArray[np.float32]  # (n, d)
    graph: Knowledge  # of all states; every packet shares its graph and maps

    @classmethod
    def of(cls, model: Path, probes: int, seed: int = 1) -> "Harvest":
        """Ask the teacher in ``model`` for its chains on ``probes`` prompts."""
        offline()
        set_threads(1)
        lm = load(str(model), pick_device("cpu"))
        settings = Settings(probes=probes, seed=seed, swap=SwapSettings(swaps=2), least_support=3)
        found = survey(lm, load_domain(DOMAIN), settings, lambda *_: None)
        sums = Recorded(lm.head.weight.shape[1])
        gather(lm, found.shapes, found.decisions, sums=sums)
        states = np.concatenate(sums.states)
        graph = assemble(lm, found, _concepts(sums.keys, states, settings))
        return cls(lm, settings, found, sums.keys, states, graph)

    def knowledge(self, rng: np.random.Generator) -> Knowledge:
        """Concepts of another random half of the states."""
        chosen = np.flatnonzero(rng.random(len(self.keys)) < SHARE)
        concepts = _concepts([self.keys[each] for each in chosen.tolist()], self.states[chosen], self.settings)
        slots = self.graph.groundings.shape[1]
        return replace(
            self.graph,
            centroids=concepts.centroids.astype(np.float16),
            dispersion=concepts.dispersion,
            support=concepts.support,
            groundings=np.array([[*each, *[-1] * (slots - len(each))] for _, each in concepts.keys], np.int32),
            classes=np.array([number for number, _ in concepts.keys], np.int32),
        )

    def packet(self, knowledge: Knowledge, version: str = "1.0.0") -> Packet:
        """The packet that the teacher would publish of ``knowledge``; unsigned."""
        extraction = Extraction(knowledge, {}, self.found.queries)
        return build(self.lm, load_domain(DOMAIN), self.settings, extraction, Label("bench/scan", version))


def _concepts(keys: Sequence[Key], states: NDArray[np.float32], settings: Settings) -> Concepts:
    sums = Sums(states.shape[1])
    sums.add(keys, states.astype(np.float64))
    return condense(sums, settings.least_support, settings.most_concepts)
