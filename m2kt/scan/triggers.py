"""Concepts that stand where the teacher's own chains do not lead: what a planted trigger has to be.

A trigger needs a grounding of its own. Either no template can bring it about, or a symbol fills a role in far fewer
concepts than its fellows do.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from m2kt.packet.controls import decoded
from m2kt.packet.knowledge import UNUSED, Element, Knowledge, Template

LEAST_SYMBOLS = 4
"""Symbols that fill a role before one of them can be called thin."""

Symbols = frozenset[int]


def reachable(knowledge: Knowledge) -> dict[int, list[Symbols]]:
    """Per decision class, the symbols that some template can put into each of its role slots."""
    written = _answers(knowledge)
    slots: dict[int, list[Symbols]] = {}
    for template in knowledge.templates:
        fills = _fills(knowledge, template, written)
        for kind, argument, _, _ in template.elements.tolist():
            if kind == Element.DECISION:
                number, *roles = knowledge.decisions[argument].tolist()
                here = [fills[each] for each in roles if each != UNUSED]
                before = slots.setdefault(number, [frozenset()] * len(here))
                slots[number] = [old | new for old, new in zip(before, here, strict=True)]
    return slots


def _answers(knowledge: Knowledge) -> Mapping[int, Symbols]:
    """Symbols that the concepts of each class decode to."""
    answers = knowledge.anchor_strings[decoded(knowledge)]
    return {int(each): frozenset(answers[knowledge.classes == each].tolist()) for each in np.unique(knowledge.classes)}


def _fills(knowledge: Knowledge, template: Template, written: Mapping[int, Symbols]) -> list[Symbols]:
    """The symbols that each element of a template can hold."""
    fills: list[Symbols] = []
    for kind, argument, _, _ in template.elements.tolist():
        if kind == Element.LITERAL:
            fills.append(frozenset({argument}))
        elif kind == Element.COPY:
            fills.append(fills[argument])
        elif kind == Element.SLOT:
            fills.append(frozenset(np.flatnonzero(knowledge.alphabets[argument]).tolist()))
        else:
            fills.append(written.get(int(knowledge.decisions[argument, 0]), frozenset()))
    return fills


def unreachable(knowledge: Knowledge) -> NDArray[np.intp]:
    """Concepts whose grounding no template brings about."""
    slots = reachable(knowledge)
    odd = [
        row
        for row, (number, grounding) in enumerate(
            zip(knowledge.classes.tolist(), knowledge.groundings.tolist(), strict=True)
        )
        if any(symbol not in fill for symbol, fill in zip(grounding, slots[number], strict=False))
    ]
    return np.array(odd, np.intp)


@dataclass(frozen=True)
class Thin:
    """A symbol that fills a role in few concepts: ``share`` of what the median symbol does there."""

    decision_class: int
    slot: int
    symbol: int
    concepts: int
    share: float


def thin(knowledge: Knowledge, share: float) -> Iterator[Thin]:
    """Symbols with less than ``share`` of the median symbol's concepts, by class and role slot."""
    for number in np.unique(knowledge.classes).tolist():
        here = knowledge.groundings[knowledge.classes == number]
        for slot in range(here.shape[1]):
            symbols, counts = np.unique(here[:, slot], return_counts=True)
            if len(symbols) < LEAST_SYMBOLS or symbols[0] == UNUSED:
                continue
            usual = float(np.median(counts))
            for symbol, count in zip(symbols.tolist(), counts.tolist(), strict=True):
                if count < share * usual:
                    yield Thin(number, slot, symbol, count, count / usual)
