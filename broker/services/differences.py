"""What changed between two packets: their manifests, and their concepts by what grounds them.

Cosines are taken in the teacher's own space where both come from the same weights by the same operator; otherwise an
angle between the vectors means nothing, and what both say on the symbols they share is compared instead.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from broker.services.contents import Contents

MOST_FIELDS = 200
LEAST_SHARED = 3
SAME = 1e-6
"""Cosine distance below which a concept counts as unmoved: rounding of F16."""

Key = tuple[int, tuple[str, ...], int]


@dataclass(frozen=True)
class FieldChange:
    """A field of the manifest: what it was and what it is; None where it is not."""

    field: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Moved:
    """A concept that both have."""

    grounding: tuple[str, ...]
    distance: float
    """1 - cosine: 0 is the same direction, 1 a right angle."""
    before: str
    after: str
    """What it decodes to."""


@dataclass(frozen=True)
class ConceptChanges:
    method: str
    added: list[tuple[str, ...]]
    removed: list[tuple[str, ...]]
    moved: list[Moved]
    """The farthest first; those that decode to something else before all others."""
    unmoved: int


def of_manifests(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[FieldChange]:
    """Fields that differ, by their path; at most `MOST_FIELDS`."""
    old, new = dict(_flat(before)), dict(_flat(after))
    changed = (each for each in sorted(old.keys() | new.keys()) if old.get(each) != new.get(each))
    return [
        FieldChange(each, old.get(each), new.get(each)) for each, _ in zip(changed, range(MOST_FIELDS), strict=False)
    ]


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Scalars by path. A table's rows go by their name, lists of texts as a whole: positions say nothing."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _flat(each, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and value and all(isinstance(each, Mapping) and "name" in each for each in value):
        for each in value:
            rest = {key: item for key, item in each.items() if key != "name"}
            yield from _flat(rest, f"{path}[{each['name']}]")
    elif isinstance(value, list):
        yield path, ", ".join(map(str, value))
    else:
        yield path, str(value)


def of_concepts(before: Contents, after: Contents) -> ConceptChanges:
    """Concepts of two packets, paired by class and grounding."""
    old, new = _keyed(before), _keyed(after)
    shared = [key for key in old if key in new]
    pairs = np.array([(old[key], new[key]) for key in shared], np.int64).reshape(-1, 2)
    method, distances = _distances(before, after, pairs)
    found = [
        Moved(key[1], float(distance), before.answer(old[key]), after.answer(new[key]))
        for key, distance in zip(shared, distances, strict=True)
    ]
    moved = [each for each in found if each.distance > SAME or each.before != each.after]
    moved.sort(key=lambda each: (each.before == each.after, -each.distance, each.grounding))
    added, removed = ([key[1] for key in one if key not in other] for one, other in ((new, old), (old, new)))
    return ConceptChanges(method, added, removed, moved, len(found) - len(moved))


def _keyed(contents: Contents) -> dict[Key, int]:
    """Concepts by class and grounding; further ones of the same by their number among those."""
    found: dict[Key, int] = {}
    seen: dict[tuple[int, tuple[str, ...]], int] = {}
    for number in range(contents.count):
        what = int(contents.knowledge.classes[number]), contents.grounding(number)
        seen[what] = seen.get(what, 0) + 1
        found[(*what, seen[what])] = number
    return found


def _distances(before: Contents, after: Contents, pairs: NDArray[np.int64]) -> tuple[str, NDArray[np.float64]]:
    old, new = (each.knowledge.centroids.astype(np.float64) for each in (before, after))
    alike = (before.weights, before.operator) == (after.weights, after.operator) and old.shape[1] == new.shape[1]
    if alike:
        return "cosine in the teacher's space: both are of the same weights", _cosines(old, new, pairs)
    old, new, count = _readings(before, after)
    if count < LEAST_SHARED:
        nothing = f"not compared: other weights, and only {count} symbols in common; only what they decode to is shown"
        return nothing, np.zeros(len(pairs))
    return f"other weights: cosine of the logits on {count} symbols that both have", _cosines(old, new, pairs)


def _readings(before: Contents, after: Contents) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Each packet's concepts as logits on the symbols that both have, less their mean."""
    names = [[each.knowledge.symbols[row] for row in each.knowledge.anchor_strings] for each in (before, after)]
    shared = [each for each in names[0] if each in set(names[1])]
    found = []
    for each, own in zip((before, after), names, strict=True):
        places = {name: row for row, name in enumerate(own)}
        columns = [places[name] for name in shared]
        anchors = each.knowledge.anchors[columns].astype(np.float64)
        logits = each.knowledge.centroids.astype(np.float64) @ anchors.T + each.knowledge.anchor_bias[columns]
        found.append(logits - logits.mean(1, keepdims=True) if shared else logits)
    return found[0], found[1], len(shared)


def _cosines(old: NDArray[np.float64], new: NDArray[np.float64], pairs: NDArray[np.int64]) -> NDArray[np.float64]:
    """1 - cosine of each pair; of a zero vector 1, unless both are."""
    left, right = _unit(old)[pairs[:, 0]], _unit(new)[pairs[:, 1]]
    still: NDArray[np.float64] = np.clip(1 - (left * right).sum(1), 0, 2)
    still[(~left.any(1)) & (~right.any(1))] = 0
    return still


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    rows = rows / (float(np.abs(rows).max(initial=0.0)) or 1.0)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    found: NDArray[np.float64] = np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0)
    return found
