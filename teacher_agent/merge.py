"""Several packets' knowledge as one: what aggregation does to the tensors. No torch.

Concepts of one class (`teacher_agent.graphs`) and one grounding become one: the mean of their centroids weighted by
support, with the spread of the pool. Where packets decode a concept to different symbols it is left out and counted.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m2kt.errors import AggregationRefused
from m2kt.packet.knowledge import UNUSED, Knowledge
from teacher_agent.graphs import MOST_SUPPORT, Key, Row, Shape, add, graph_of, padded, says, slots_of, unite_classes


@dataclass(frozen=True)
class Merged:
    """The one knowledge, and what became of its parts."""

    knowledge: Knowledge
    shared: int
    """Concepts that several packets had."""
    conflicts: int
    """Of these, those that decoded to different symbols: they are left out."""


def merge(parts: Sequence[Knowledge]) -> Merged:
    """One knowledge out of several; `AggregationRefused` says which of them does not fit, and why."""
    symbols = _union(each.symbols for each in parts)
    leads = _union(each.leads for each in parts)
    anchors = _anchors(parts)
    shapes: dict[Key, Shape] = {}
    for number, part in enumerate(parts):
        for template in part.templates:
            add(shapes.setdefault(says(part, template), Shape()), part, template, number)
    classes = unite_classes(parts, shapes)
    pools = _pools(parts, classes, anchors)
    graph = graph_of(parts, shapes, classes, symbols, leads)
    agreed = {key: pool for key, pool in pools.items() if len({each.decoded for each in pool}) == 1}
    if not agreed:
        raise AggregationRefused("the packets contradict each other in every concept")
    shared = sum(len(pool) > 1 for pool in pools.values())
    knowledge = Knowledge(
        symbols=symbols,
        leads=leads,
        **_concepts(agreed, symbols, slots_of(parts)),
        **_anchor_tensors(anchors, symbols),
        **graph,
    )
    return Merged(knowledge, shared, len(pools) - len(agreed))


def _union(lists: Iterator[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each for strings in lists for each in strings))


# Anchors: the space that centroids live in


@dataclass(frozen=True)
class _Anchor:
    row: NDArray[Any]  # (d,)
    bias: np.float32


def _anchors(parts: Sequence[Knowledge]) -> dict[str, _Anchor]:
    """Anchors of all packets by string. Centroids may be averaged only where the anchors that they are read with are
    the same rows."""
    found: dict[str, _Anchor] = {}
    for number, part in enumerate(parts):
        own = {
            part.symbols[string]: _Anchor(row, bias)
            for string, row, bias in zip(part.anchor_strings, part.anchors, part.anchor_bias, strict=True)
        }
        common = found.keys() & own.keys()
        if number and not common:
            raise AggregationRefused(f"packet {number + 1} shares no anchor with those before it")
        for name in sorted(common):
            if not _same(found[name], own[name]):
                why = "their teachers embed in different spaces"
                raise AggregationRefused(f"packet {number + 1} has another anchor for {name!r}: {why}")
        found = {**own, **found}
    return found


def _same(one: _Anchor, other: _Anchor) -> bool:
    return one.row.shape == other.row.shape and np.array_equal(one.row, other.row) and one.bias == other.bias


def _anchor_tensors(anchors: dict[str, _Anchor], symbols: tuple[str, ...]) -> dict[str, Any]:
    numbers = {name: number for number, name in enumerate(symbols)}
    names = sorted(anchors, key=numbers.__getitem__)
    return {
        "anchors": np.stack([anchors[each].row for each in names]),
        "anchor_bias": np.array([anchors[each].bias for each in names], np.float32),
        "anchor_strings": np.array([numbers[each] for each in names], np.int32),
    }


# Concepts


@dataclass(frozen=True)
class _Concept:
    centroid: NDArray[Any]  # (d,)
    dispersion: float
    support: int
    decoded: str


def _pools(
    parts: Sequence[Knowledge], classes: dict[tuple[int, int], int], anchors: dict[str, _Anchor]
) -> dict[Key, list[_Concept]]:
    """Concepts by class and grounding."""
    names = list(anchors)
    rows = np.stack([anchors[each].row for each in names]).astype(np.float32)  # (A, d)
    bias = np.array([anchors[each].bias for each in names], np.float32)
    pools: dict[Key, list[_Concept]] = defaultdict(list)
    for number, part in enumerate(parts):
        decoded = (part.centroids.astype(np.float32) @ rows.T + bias).argmax(1)
        for k, grounding in enumerate(part.groundings.tolist()):
            key = (classes[number, int(part.classes[k])], *(part.symbols[each] for each in grounding if each != UNUSED))
            found = _Concept(part.centroids[k], float(part.dispersion[k]), int(part.support[k]), names[decoded[k]])
            pools[key].append(found)
    return pools


def _concepts(pools: dict[Key, list[_Concept]], symbols: tuple[str, ...], slots: int) -> dict[str, Any]:
    numbers = {name: number for number, name in enumerate(symbols)}
    keys = sorted(pools, key=lambda key: (key[0], *(numbers[each] for each in key[1:])))
    means = [_mean(pools[key]) for key in keys]
    kind = np.result_type(*(each.centroid.dtype for pool in pools.values() for each in pool))
    return {
        "centroids": np.stack([mean for mean, _, _ in means]).astype(kind),
        "dispersion": np.array([spread for _, spread, _ in means], np.float32),
        "support": np.array([min(support, MOST_SUPPORT) for _, _, support in means], np.int32),
        "groundings": np.array([padded([numbers[each] for each in key[1:]], slots) for key in keys], np.int32),
        "classes": np.array([key[0] for key in keys], np.int32),
    }


def _mean(pool: Sequence[_Concept]) -> tuple[Row, float, int]:
    """Mean, root mean square distance and number of the states that were averaged, all packets' together."""
    weights = np.array([each.support for each in pool], np.float64)
    rows = np.stack([each.centroid for each in pool]).astype(np.float64)
    mean: Row = weights @ rows / weights.sum()
    spread = np.array([each.dispersion for each in pool]) ** 2 + ((rows - mean) ** 2).sum(1)
    return mean, float(np.sqrt(weights @ spread / weights.sum())), int(weights.sum())
