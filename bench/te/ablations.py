"""What each part is worth: one thing changed at a time, and the baseline with other means than 150,000 outputs.

``python -m bench.te.ablations`` (spec on stdin, one JSON line: a list of rows). One survey of the teacher serves all
packets; everything is aligned with the controls' number of steps and judged on the half kept for the report.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.te import edges, gaps, labels, worlds
from bench.te.judging import accuracy, report_half, seal
from bench.te.kd_variants import kd_rows
from bench.te.packets import knowledge_of
from bench.te.settings import FULL, PARTS, QUICK, Size
from bench.te.stages import Row, make_scene
from bench.te.trials import Trial, Variant, judged, variant, weighing
from m2kt.neural.models import offline, set_threads
from m2kt.packet import Packet
from m2kt.packet.controls import rebuilt
from m2kt.packet.knowledge import Knowledge
from student_agent.projection import only
from teacher_agent.assembly import anchors_of, assemble
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


def main() -> int:
    spec = json.loads(sys.stdin.read())
    offline()
    set_threads(1)
    size, parts = QUICK if spec["quick"] else FULL, spec["parts"] or PARTS
    print(json.dumps(run(spec["domain"], spec["seed"], size, Path(spec["root"]), Path(spec["models"]), parts)))
    return 0


def run(domain: str, seed: int, size: Size, root: Path, models: Path, parts: Sequence[str] = PARTS) -> list[Row]:
    """The rows of these parts, of one domain and seed."""
    scene = make_scene(domain, seed, size, root / f"ablations-{domain}-{seed}", models)
    sealed = seal(scene.task, scene.fact, scene.root / "sealed", size.items, 2, seed)
    checks = report_half(sealed.near)
    trial = Trial(scene, checks, accuracy(scene.teacher, checks))
    makers: Mapping[str, Callable[[], Iterator[Row]]] = {
        "packets": lambda: judged(trial, variants(trial), "packets"),
        "KD": lambda: kd_rows(scene, trial.base, checks, trial.teacher),
        "edges": lambda: judged(trial, edges.variants(trial), "edges"),
        "gaps": lambda: judged(trial, gaps.variants(trial), "gaps"),
        "world": lambda: worlds.rows(trial, models),
        "labels": lambda: labels.rows(trial),
    }
    return [{"domain": domain, "seed": seed, **row} for part in parts for row in makers[part]()]


def variants(trial: Trial) -> Iterator[Variant]:
    """One change each, the packet of record first."""
    found = {name: (packet, exact) for name, packet, exact in by_operator(trial)}
    base, whole = found[BASE]
    for name, (packet, _) in found.items():
        yield variant("operator", name, packet)
    for group, changes in (("CAL", FORMS), ("loss", LOSSES)):
        for name, options in changes.items():
            yield replace(variant(group, name, base), options=options)
    knowledge = knowledge_of(base)
    for count in FACTS:
        if count < len(knowledge.centroids):
            first = only(knowledge, np.arange(len(knowledge.centroids)) < count)  # the best supported come first
            yield variant("concepts", f"{count} facts", rebuilt(base, first))
    for name, change in PRECISIONS.items():
        changed = change(whole)
        yield weighing(variant("precision", name, rebuilt(base, changed)), WEIGHS[name](changed))


def by_operator(trial: Trial) -> Iterator[tuple[str, Packet, Knowledge]]:
    """Each operator's packet, and what it holds before anything is rounded (float32)."""
    teacher, found = trial.scene.teacher, trial.found
    for name, changes in OPERATORS.items():
        chosen = replace(trial.settings, **changes)
        concepts = trial.concepts(chosen)
        _, anchors, _ = anchors_of(teacher, found.shapes, found.decisions)
        exact = replace(assemble(teacher, found, concepts), centroids=concepts.centroids, anchors=anchors)
        yield name, trial.packet(concepts, chosen), exact


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


if __name__ == "__main__":
    sys.exit(main())
