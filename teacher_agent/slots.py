"""Which decisions are the same decision: role slots matched across shapes.

Every decision is a table from the symbols in its role slots to the symbol that the teacher decides. Two decisions
belong to one class when some order of their slots makes the tables agree where they overlap. Nothing says which slot is
which: the order that agrees is the match.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from teacher_agent.roles import Roles
from teacher_agent.shapes import Shape

AGREEMENT = 0.9
"""Least share of common groundings that two decisions of one class decide alike."""
OVERLAP = 10
"""Least number of common groundings to judge by (or half of the smaller table)."""

Table = dict[tuple[int, ...], int]


@dataclass(frozen=True)
class Decision:
    """One decision of one shape, placed in a class: ``roles`` are elements, in the order of the class's slots."""

    shape: int
    position: int
    decision_class: int
    roles: tuple[int, ...]


@dataclass
class _Class:
    table: Table
    slots: int


def match_decisions(shapes: Sequence[Shape], roles: Sequence[Roles]) -> list[Decision]:
    """Place every decision in a class; the best supported found the classes."""
    found = [
        (number, position, elements)
        for number, (shape, role) in enumerate(zip(shapes, roles, strict=True))
        for position, elements in zip(shape.decisions, role.elements, strict=True)
    ]
    classes: list[_Class] = []
    placed = []
    for number, position, elements in sorted(found, key=lambda each: -len(shapes[each[0]].symbols)):
        table = decision_table(shapes[number].pools[position].symbols, position, elements)
        chosen, order = _place(classes, table, len(elements))
        _absorb(classes[chosen].table, table, order)
        placed.append(Decision(number, position, chosen, tuple(elements[slot] for slot in order)))
    return sorted(placed, key=lambda each: (each.shape, each.position))


def decision_table(symbols: NDArray[np.int64], position: int, roles: Sequence[int]) -> Table:
    """What the teacher most often decides for each filling of the roles."""
    counts: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
    for grounding, symbol in zip(symbols[:, list(roles)].tolist(), symbols[:, position].tolist(), strict=True):
        counts[tuple(grounding)][symbol] += 1
    return {grounding: counter.most_common(1)[0][0] for grounding, counter in counts.items()}


def _place(classes: list[_Class], table: Table, slots: int) -> tuple[int, tuple[int, ...]]:
    """The class that agrees best and the order of slots that makes it so; a new class when none agrees."""
    best, place = AGREEMENT, None
    for number, each in enumerate(classes):
        if each.slots == slots:
            for order in permutations(range(slots)):
                agreement = _agreement(each.table, table, order)
                if agreement > best or (agreement == best and place is None):
                    best, place = agreement, (number, order)
    if place is None:
        classes.append(_Class({}, slots))
        return len(classes) - 1, tuple(range(slots))
    return place


def _agreement(known: Table, table: Table, order: tuple[int, ...]) -> float:
    """Share of common groundings decided alike, 0 where too few are common."""
    reordered = {tuple(grounding[slot] for slot in order): symbol for grounding, symbol in table.items()}
    common = reordered.keys() & known.keys()
    if len(common) < min(OVERLAP, max(2, min(len(known), len(table)) // 2)):
        return 0.0
    return sum(reordered[grounding] == known[grounding] for grounding in common) / len(common)


def _absorb(known: Table, table: Table, order: tuple[int, ...]) -> None:
    for grounding, symbol in table.items():
        known.setdefault(tuple(grounding[slot] for slot in order), symbol)
