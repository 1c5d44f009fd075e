"""What each part is worth: one thing changed at a time, and the baseline with other means than 150,000 outputs.

``python -m bench.te.ablations`` (spec on stdin, one JSON line: a list of rows). One survey of the teacher serves all
three operators; everything is aligned with the controls' number of steps and judged on the half kept for the report.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.te.judging import accuracy, opened, report_half, seal
from bench.te.kd_variants import kd_rows
from bench.te.packets import knowledge_of
from bench.te.settings import FULL, QUICK, Size, probes_of
from bench.te.stages import Job, Row, Scene, align_jobs, domain_of, make_scene
from m2kt.neural.models import offline, set_threads
from m2kt.packet import Packet
from m2kt.packet.controls import rebuilt
from m2kt.packet.knowledge import Knowledge
from student_agent.checks import Check
from student_agent.projection import only
from teacher_agent.assembly import anchors_of, assemble
from teacher_agent.build import build
from teacher_agent.concepts import gather
from teacher_agent.extract import Extraction, Settings, survey
from teacher_agent.label import Label
from teacher_agent.operators import operator_of
from teacher_agent.settings import Operator

OPERATORS: Mapping[str, Row] = {
    "attribution": {},
    "clustering, 256 vectors": {"operator": Operator.CLUSTERING, "clusters": 256},
    "clustering, 64 vectors": {"operator": Operator.CLUSTERING, "clusters": 64},
    "bottleneck": {"operator": Operator.BOTTLENECK},
}
FORMS: Mapping[str, Row] = {name: {"cal": {"form": name}} for name in ("low-rank", "mlp", "attention")}
LOSSES: Mapping[str, Row] = {
    "no L_struct": {"lambdas": {"struct": 0}},
    "no L_reason": {"lambdas": {"reason": 0}},
    "mlp, no L_align": {"cal": {"form": "mlp"}, "lambdas": {"align": 0}},
    "mlp, no L_safe": {"cal": {"form": "mlp"}, "lambdas": {"safe": 0}},
}
"""L_align and L_safe have no gradient in the linear form: without them it is the same."""
FACTS = (64, 256)
BASE = "attribution"


@dataclass(frozen=True)
class Variant:
    """A packet with something changed, or how it is aligned; ``vector_bytes`` of all concepts' vectors together."""

    group: str
    name: str
    packet: Packet
    vector_bytes: int
    options: Row = field(default_factory=dict)


def main() -> int:
    spec = json.loads(sys.stdin.read())
    offline()
    set_threads(1)
    size = QUICK if spec["quick"] else FULL
    print(json.dumps(run(spec["domain"], spec["seed"], size, Path(spec["root"]), Path(spec["models"]))))
    return 0


def run(domain: str, seed: int, size: Size, root: Path, models: Path) -> list[Row]:
    """All rows of one domain and seed."""
    scene = make_scene(domain, seed, size, root / f"ablations-{domain}-{seed}", models)
    made = {f"v{number}": each for number, each in enumerate(variants(scene))}  # names that a directory may have
    jobs = {name: Job(each.packet, size.control_steps, each.options) for name, each in made.items()}
    learned = align_jobs(scene, jobs, "ablations")
    sealed = seal(scene.task, scene.fact, scene.root / "sealed", size.items, 2, seed)
    checks = report_half(sealed.near)
    teacher = accuracy(scene.teacher, checks)
    rows = [_row(scene, each, learned[name], checks, teacher) for name, each in made.items()]
    rows += kd_rows(scene, made["v0"].packet, checks, teacher)
    return [{"domain": domain, "seed": seed, **row} for row in rows]


def variants(scene: Scene) -> Iterator[Variant]:
    """One change each, the packet of record first."""
    found = {name: (packet, exact) for name, packet, exact in by_operator(scene)}
    base, whole = found[BASE]
    for name, (packet, _) in found.items():
        yield _variant("operator", name, packet)
    for group, changes in (("CAL", FORMS), ("loss", LOSSES)):
        for name, options in changes.items():
            yield replace(_variant(group, name, base), options=options)
    knowledge = knowledge_of(base)
    for count in FACTS:
        if count < len(knowledge.centroids):
            first = only(knowledge, np.arange(len(knowledge.centroids)) < count)  # the best supported come first
            yield _variant("concepts", f"{count} facts", rebuilt(base, first))
    for name, change in PRECISIONS.items():
        changed = change(whole)
        yield replace(_variant("precision", name, rebuilt(base, changed)), vector_bytes=WEIGHS[name](changed))


def _variant(group: str, name: str, packet: Packet) -> Variant:
    return Variant(group, name, packet, knowledge_of(packet).centroids.nbytes)


def by_operator(scene: Scene) -> Iterator[tuple[str, Packet, Knowledge]]:
    """Each operator's packet, and what it holds before anything is rounded (float32)."""
    teacher, domain = scene.teacher, domain_of(scene.task.name)
    settings = Settings(probes=probes_of(domain.name, scene.size), seed=scene.seed + 1)
    settings = replace(settings, surveyed=settings.probes)
    found = survey(teacher, domain, settings, lambda step, done, total: None)
    for name, changes in OPERATORS.items():
        chosen = replace(settings, **changes)
        operator = gather(teacher, found.shapes, found.decisions, sums=operator_of(teacher, chosen))
        concepts = operator.concepts(chosen.least_support, chosen.most_concepts)
        knowledge = assemble(teacher, found, concepts)
        packet = build(
            teacher, domain, chosen, Extraction(knowledge, {}, found.queries), Label("bench/ablation", "1.0.0")
        )
        _, anchors, _ = anchors_of(teacher, found.shapes, found.decisions)
        yield name, packet, replace(knowledge, centroids=concepts.centroids, anchors=anchors)


def as_float16(knowledge: Knowledge) -> Knowledge:
    """All mantissa bits of half precision (a packet of record keeps 8)."""
    return replace(
        knowledge, centroids=knowledge.centroids.astype(np.float16), anchors=knowledge.anchors.astype(np.float16)
    )


def as_int8(knowledge: Knowledge) -> Knowledge:
    """Every row in whole 127ths of its largest number; carried as float16, which the format has."""
    return replace(knowledge, centroids=_rounded(knowledge.centroids), anchors=_rounded(knowledge.anchors))


def _rounded(rows: NDArray[np.floating]) -> NDArray[np.float16]:
    step = np.maximum(np.abs(rows).max(1, keepdims=True), 1e-12) / 127
    rounded: NDArray[np.float16] = (np.round(rows / step) * step).astype(np.float16)
    return rounded


PRECISIONS: Mapping[str, Callable[[Knowledge], Knowledge]] = {
    "fp32": lambda knowledge: knowledge,
    "fp16": as_float16,
    "int8": as_int8,
}
WEIGHS: Mapping[str, Callable[[Knowledge], int]] = {
    "fp32": lambda knowledge: knowledge.centroids.nbytes,
    "fp16": lambda knowledge: knowledge.centroids.nbytes,
    "int8": lambda knowledge: knowledge.centroids.size + 2 * len(knowledge.centroids),  # and a half for each row
}
"""Bytes of the vectors as they would be stored."""


def _row(scene: Scene, variant: Variant, learned: Row, checks: list[Check], teacher: float) -> Row:
    knowledge = knowledge_of(variant.packet)
    told = {
        "group": variant.group,
        "name": variant.name,
        "concepts": len(knowledge.centroids),
        "vectors": len(np.unique(knowledge.centroids, axis=0)),
        "vector_bytes": variant.vector_bytes,
    }
    if "memory" not in learned:
        return {**told, "accuracy": None, "te": None, "refused": learned["refused"]}
    right = accuracy(scene.student, checks, opened(scene.student, learned["memory"]))
    return {
        **told,
        "accuracy": right,
        "te": right / teacher,
        "residual": learned["residual"],
        "trained": learned["trained_parameters"],
    }


if __name__ == "__main__":
    sys.exit(main())
