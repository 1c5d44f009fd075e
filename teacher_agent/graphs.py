"""The abstraction graphs of several packets as one. Packets number their strings, alphabets, templates and decision
classes each in its own way, so everything is first named by what it says.

A *place* is a decision of a template; classes that stand at the same place are one class. No torch.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m2kt.errors import AggregationRefused
from m2kt.packet.knowledge import UNUSED, Element, Knowledge, Template

Key = tuple[Any, ...]
Row = NDArray[np.float64]
MAPS = ("swap", "gradient", "attention")
MOST_SUPPORT = 2**31 - 1


@dataclass
class Shape:
    """A template by what it says, and what the packets that have it found there."""

    support: int = 0
    classes: list[tuple[int, int]] = field(default_factory=list)  # (packet, class) of each decision, packet by packet
    maps: dict[str, list[tuple[int, list[Row]]]] = field(default_factory=lambda: defaultdict(list))


def slots_of(parts: Sequence[Knowledge]) -> int:
    """Role slots that all of them fit into."""
    return max(int(part.groundings.shape[1]) for part in parts)


def padded(values: Sequence[int], length: int) -> list[int]:
    """Role slots, the unused ones last."""
    return [*values, *[UNUSED] * (length - len(values))]


def says(part: Knowledge, template: Template) -> Key:
    """A template without any packet's numbers."""
    return tuple(_element(part, *row) for row in template.elements.tolist())


def _element(part: Knowledge, kind: int, argument: int, lead: int, written: int) -> Key:
    said: Any = argument  # of a copy: an element of the same template
    if kind == Element.LITERAL:
        said = part.symbols[argument]
    elif kind == Element.SLOT:
        said = _alphabet(part, argument)
    elif kind == Element.DECISION:
        roles = tuple(each for each in part.decisions[argument, 1:].tolist() if each != UNUSED)
        said = (roles, _alphabet(part, UNUSED if part.choices is None else int(part.choices[argument])))
    return (kind, said, part.leads[lead], written)


def _alphabet(part: Knowledge, number: int) -> frozenset[str] | None:
    if number == UNUSED:
        return None
    return frozenset(part.symbols[each] for each in np.flatnonzero(part.alphabets[number]))


def _decisions(template: Template) -> list[int]:
    return [int(each[1]) for each in template.elements if each[0] == Element.DECISION]


def add(shape: Shape, part: Knowledge, template: Template, number: int) -> None:
    shape.support = min(shape.support + template.support, MOST_SUPPORT)
    rows = _decisions(template)
    shape.classes += [(number, int(part.decisions[each, 0])) for each in rows]
    for name in MAPS:
        table = getattr(part, name)
        if table is not None:
            found = [table[each, : len(template)].astype(np.float64) for each in rows]
            shape.maps[name].append((template.support, found))


def unite_classes(parts: Sequence[Knowledge], shapes: dict[Key, Shape]) -> dict[tuple[int, int], int]:
    """The one number of each packet's each class: those that stand at one place are one class."""
    leader = {(n, c): (n, c) for n, part in enumerate(parts) for c in range(part.class_count)}

    def find(node: tuple[int, int]) -> tuple[int, int]:
        while leader[node] != node:
            node = leader[node]
        return node

    for key, shape in shapes.items():
        width = sum(each[0] == Element.DECISION for each in key)
        for place in range(width):
            at = [find(each) for each in shape.classes[place::width]]
            for each in at:
                leader[find(each)] = find(at[0])
    numbers = {node: n for n, node in enumerate(dict.fromkeys(find(each) for each in leader))}
    merged = {node: numbers[find(node)] for node in leader}
    _check_classes(parts, merged)
    return merged


def _check_classes(parts: Sequence[Knowledge], merged: dict[tuple[int, int], int]) -> None:
    seen: set[int] = set()
    for number, part in enumerate(parts):
        own = [merged[number, each] for each in range(part.class_count)]
        if len(set(own)) != len(own):
            raise AggregationRefused(f"packet {number + 1} tells decisions apart that another packet has as one class")
        if number and seen.isdisjoint(own):
            raise AggregationRefused(f"packet {number + 1} shares no decision with those before it")
        seen |= set(own)


# The graph, numbered anew


def graph_of(
    parts: Sequence[Knowledge],
    shapes: dict[Key, Shape],
    classes: dict[tuple[int, int], int],
    symbols: tuple[str, ...],
    leads: tuple[str, ...],
) -> dict[str, Any]:
    numbers = {name: number for number, name in enumerate(symbols)}
    slots = slots_of(parts)
    alphabets: dict[frozenset[str], int] = {}
    templates: list[Template] = []
    decisions: list[list[int]] = []
    choices: list[int] = []
    for key, shape in shapes.items():
        elements: list[tuple[int, int, int, int]] = []
        ours = iter(shape.classes)
        for kind, said, lead, written in key:
            argument = said
            if kind == Element.LITERAL:
                argument = numbers[said]
            elif kind == Element.SLOT:
                argument = alphabets.setdefault(said, len(alphabets))
            elif kind == Element.DECISION:
                argument = len(decisions)
                decisions.append([classes[next(ours)], *padded(said[0], slots)])
                choices.append(UNUSED if said[1] is None else alphabets.setdefault(said[1], len(alphabets)))
            elements.append((kind, argument, leads.index(lead), written))
        templates.append(Template(np.array(elements, np.int32), shape.support))
    longest = max(len(each) for each in templates)
    return {
        "templates": tuple(templates),
        "alphabets": np.array([[each in one for each in symbols] for one in alphabets], np.uint8),
        "decisions": np.array(decisions, np.int32),
        "choices": np.array(choices, np.int32) if any(each.choices is not None for each in parts) else None,
        **_maps(parts, shapes, longest),
    }


def _maps(parts: Sequence[Knowledge], shapes: dict[Key, Shape], longest: int) -> dict[str, Any]:
    """Maps of evidence, averaged by the templates' support; a map that some packet lacks is left out."""
    found: dict[str, Any] = {}
    for name in MAPS:
        tables = [getattr(each, name) for each in parts]
        if any(each is None for each in tables):
            continue
        rows = [_average(shape.maps[name], longest) for shape in shapes.values()]
        found[name] = np.concatenate(rows).astype(np.result_type(*(each.dtype for each in tables)))
    return found


def _average(told: Sequence[tuple[int, list[Row]]], longest: int) -> Row:
    """(decisions of the template, longest), from each packet's rows of the same."""
    weights = np.array([max(support, 1) for support, _ in told], np.float64)
    rows = np.stack([np.stack(each) for _, each in told]) if told[0][1] else np.zeros((len(told), 0, 0))
    mean = np.tensordot(weights / weights.sum(), rows, axes=1)
    return np.pad(mean, ((0, 0), (0, longest - mean.shape[1])))
