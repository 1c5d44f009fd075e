"""Packets whose R binds decisions to the wrong symbols."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from m2kt.packet import controls
from m2kt.packet.knowledge import UNUSED, Element, Knowledge, Template

Ints = NDArray[np.int64]


def no_roles(knowledge: Knowledge, seed: int) -> Knowledge:
    """R without its bindings: in every role slot another earlier element that could stand there, neither the true one
    nor a copy of it. Where there is none, the roles change places among themselves.

    This takes the bindings away, not what concepts say of themselves: their groundings name symbols, and pointers that
    cannot obey bindings which contradict each other blur over a text that holds these symbols. What that is worth is
    measured beside it (`BAGS` in settings)."""
    rng = np.random.default_rng(seed)
    decisions, said = knowledge.decisions.copy(), answers(knowledge)
    for template in knowledge.templates:
        roots = _roots(template)
        holds = [_held(knowledge, template.elements[root].tolist(), said) for root in roots]
        for position in np.flatnonzero(template.elements[:, 0] == Element.DECISION):
            row = decisions[template.elements[position, 1]]
            used = row[1:][row[1:] != UNUSED]
            true = {roots[each] for each in used}
            free = [each for each in range(position) if roots[each] not in true]
            row[1 : 1 + len(used)] = np.roll(used, 1)
            for slot in range(len(used)):
                fits = set(knowledge.groundings[knowledge.classes == row[0], slot].tolist())
                if fitting := [each for each in free if holds[each] & fits]:
                    row[1 + slot] = rng.choice(fitting)
    return replace(knowledge, decisions=decisions)


def _roots(template: Template) -> list[int]:
    """The element that each one is a copy of; itself where it is none."""
    roots: list[int] = []
    for place, (kind, argument, _, _) in enumerate(template.elements.tolist()):
        roots.append(roots[argument] if kind == Element.COPY else place)
    return roots


def _held(knowledge: Knowledge, element: Sequence[int], said: NDArray[np.int64]) -> set[int]:
    """Symbols that an element which is no copy may hold; none where it does not vary."""
    kind, argument, _, _ = element
    if kind == Element.SLOT:
        return set(np.flatnonzero(knowledge.alphabets[argument]).tolist())
    if kind == Element.DECISION:
        return set(said[knowledge.classes == knowledge.decisions[argument, 0]].tolist())
    return set()


def answers(knowledge: Knowledge) -> Ints:
    """The symbol string that each concept decodes to, (K,)."""
    return knowledge.anchor_strings[controls.decoded(knowledge)].astype(np.int64)
