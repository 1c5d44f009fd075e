"""What the rows of an ablation share: one survey of the teacher, packets made of it, and how a packet is judged."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from bench.te.judging import accuracy, opened
from bench.te.packets import knowledge_of
from bench.te.settings import probes_of
from bench.te.stages import Job, Row, Scene, align_jobs, domain_of
from m2kt.packet import Packet
from student_agent.checks import Check
from teacher_agent.assembly import assemble
from teacher_agent.build import build
from teacher_agent.concepts import Concepts, gather
from teacher_agent.extract import Extraction, Settings, survey
from teacher_agent.label import Label
from teacher_agent.operators import operator_of
from teacher_agent.survey import Survey


@dataclass(frozen=True)
class Trial:
    """One domain and seed: what is judged on, how often the teacher is right there, and what is made only if asked."""

    scene: Scene
    checks: list[Check]
    teacher: float

    @cached_property
    def settings(self) -> Settings:
        """Of the extraction; everything is surveyed, so that nothing has to stream."""
        probes = probes_of(self.scene.task.name, self.scene.size)
        return Settings(probes=probes, surveyed=probes, seed=self.scene.seed + 1)

    @cached_property
    def found(self) -> Survey:
        """The teacher's chains, their shapes, roles and decisions."""
        domain = domain_of(self.scene.task.name)
        return survey(self.scene.teacher, domain, self.settings, lambda step, done, total: None)

    @cached_property
    def base(self) -> Packet:
        """The packet of record."""
        return self.packet(self.concepts(self.settings), self.settings)

    def concepts(self, settings: Settings) -> Concepts:
        """Of the operator that ``settings`` name."""
        teacher, found = self.scene.teacher, self.found
        operator = gather(teacher, found.shapes, found.decisions, sums=operator_of(teacher, settings))
        return operator.concepts(settings.least_support, settings.most_concepts)

    def packet(self, concepts: Concepts, settings: Settings) -> Packet:
        """With the survey's graph and maps."""
        extraction = Extraction(assemble(self.scene.teacher, self.found, concepts), {}, self.found.queries)
        domain = domain_of(self.scene.task.name)
        return build(self.scene.teacher, domain, settings, extraction, Label("bench/ablation", "1.0.0"))


@dataclass(frozen=True)
class Variant:
    """A packet with something changed, or how it is aligned; ``vector_bytes`` of all concepts' vectors together, and
    what else its row shall say (``told``)."""

    group: str
    name: str
    packet: Packet
    vector_bytes: int
    options: Row = field(default_factory=dict)
    told: Row = field(default_factory=dict)


def variant(group: str, name: str, packet: Packet, **told: object) -> Variant:
    """A packet as it is."""
    return Variant(group, name, packet, knowledge_of(packet).centroids.nbytes, told=told)


def judged(trial: Trial, variants: Iterable[Variant], into: str) -> Iterator[Row]:
    """Align all of them in one isolated process, for the controls' number of steps; one row for each."""
    made = {f"v{number}": each for number, each in enumerate(variants)}  # names that a directory may have
    steps = trial.scene.size.control_steps
    learned = align_jobs(
        trial.scene, {name: Job(each.packet, steps, each.options) for name, each in made.items()}, into
    )
    for name, each in made.items():
        yield _row(trial, each, learned[name])


def _row(trial: Trial, given: Variant, learned: Row) -> Row:
    knowledge = knowledge_of(given.packet)
    told = {
        "group": given.group,
        "name": given.name,
        "concepts": len(knowledge.centroids),
        "vectors": len(np.unique(knowledge.centroids, axis=0)),
        "vector_bytes": given.vector_bytes,
        **given.told,
    }
    if "memory" not in learned:
        return {**told, "accuracy": None, "te": None, "refused": learned["refused"]}
    right = accuracy(trial.scene.student, trial.checks, opened(trial.scene.student, learned["memory"]))
    return {
        **told,
        "accuracy": right,
        "te": right / trial.teacher,
        "residual": learned["residual"],
        "trained": learned["trained_parameters"],
    }


def weighing(given: Variant, vector_bytes: int) -> Variant:
    """The same, whose vectors would be stored in so many bytes."""
    return replace(given, vector_bytes=vector_bytes)
