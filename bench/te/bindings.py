"""Packets whose R binds decisions to the wrong symbols: in one wrong way, or in many that contradict each other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from m2kt.packet import controls
from m2kt.packet.knowledge import UNUSED, Element, Knowledge, Template

TRIES = 200
"""Wrong ways that are drawn; of those that leave the most templates, one is taken."""
OFTEN = 0.5
"""Share of the most templates that a wrong way must leave to be among them."""

Ints = NDArray[np.int64]


def no_roles(knowledge: Knowledge, seed: int) -> Knowledge:
    """R with its bindings replaced by wrong ones, wrong in one way in all templates: each role slot of a class of
    decisions is bound to what stands a drawn number of elements back, at which no decision of the class has a true
    role or a copy of one. Templates in which nothing stands there that could fill the slot find no concept, and drop
    out of training by themselves."""
    rng = np.random.default_rng(seed)
    sites = list(_sites(knowledge))
    options = {key: _wrong(sites, *key) for key in _slots(knowledge)}
    ways = [{key: int(rng.choice(found)) for key, found in options.items() if found} for _ in range(TRIES)]
    left = np.array([_templates_left(sites, way) for way in ways])
    way = ways[int(rng.choice(np.flatnonzero(left >= OFTEN * left.max())))]
    decisions = knowledge.decisions.copy()
    for site in sites:
        for slot in range(site.slots):
            back = way.get((site.decision_class, slot), 0)
            decisions[site.row, 1 + slot] = site.position - (back if 0 < back <= site.position else _dead(site, slot))
    return replace(knowledge, decisions=decisions)


@dataclass(frozen=True)
class _Site:
    """A decision in its template: ``true[k]`` where a true role or a copy of one stands k elements back, ``fits[s, k]``
    where something else stands there that could fill slot s."""

    template: int
    position: int
    row: int
    decision_class: int
    slots: int
    true: NDArray[np.bool_]
    fits: NDArray[np.bool_]


def _sites(knowledge: Knowledge) -> Iterator[_Site]:
    said = answers(knowledge)
    for number, template in enumerate(knowledge.templates):
        roots = _roots(template)
        holds = [_held(knowledge, template.elements[root].tolist(), said) for root in roots]
        for position in np.flatnonzero(template.elements[:, 0] == Element.DECISION).tolist():
            row = int(template.elements[position, 1])
            decision_class, *used = [each for each in knowledge.decisions[row].tolist() if each != UNUSED]
            bound = {roots[each] for each in used}
            true = np.array([False, *(roots[each] in bound for each in reversed(range(position)))])
            fits = np.zeros((len(used), position + 1), bool)
            for slot in range(len(used)):
                wanted = _fitting(knowledge, decision_class, slot)
                fits[slot, 1:] = [bool(holds[each] & wanted) for each in reversed(range(position))]
            yield _Site(number, position, row, decision_class, len(used), true, fits & ~true)


def _dead(site: _Site, slot: int) -> int:
    """How far back something stands that cannot fill the slot, for bindings that reach beyond the text's beginning."""
    return next((back for back in range(1, site.position + 1) if not (site.true | site.fits[slot])[back]), 1)


def _slots(knowledge: Knowledge) -> list[tuple[int, int]]:
    return [(each, slot) for each in range(knowledge.class_count) for slot in range(knowledge.slots_of(each))]


def _fitting(knowledge: Knowledge, decision_class: int, slot: int) -> set[int]:
    return set(knowledge.groundings[knowledge.classes == decision_class, slot].tolist())


def _wrong(sites: Sequence[_Site], decision_class: int, slot: int) -> list[int]:
    """How far back something stands that could fill the slot, and nowhere what should."""
    own = [site for site in sites if site.decision_class == decision_class]
    never = [back for back in range(1, max(site.position for site in own) + 1) if not _at(own, back).any()]
    return [back for back in never if any(back < site.fits.shape[1] and site.fits[slot, back] for site in own)]


def _at(sites: Sequence[_Site], back: int) -> NDArray[np.bool_]:
    return np.array([back < len(site.true) and site.true[back] for site in sites])


def _templates_left(sites: Sequence[_Site], way: dict[tuple[int, int], int]) -> int:
    """Templates in which every slot of every decision is bound to something that could stand there."""
    dead = {site.template for site in sites if not all(_alive(site, slot, way) for slot in range(site.slots))}
    return len({site.template for site in sites} - dead)


def _alive(site: _Site, slot: int, way: dict[tuple[int, int], int]) -> bool:
    back = way.get((site.decision_class, slot), site.position + 1)
    return back <= site.position and bool(site.fits[slot, back])


def blurred_roles(knowledge: Knowledge, seed: int) -> Knowledge:
    """Bindings that contradict each other: in every role slot of every template another earlier element that could
    stand there, neither the true one nor a copy of it. Where there is none, the roles change places among themselves.

    Pointers that cannot obey all of them blur over the neighbourhood, true operands among it, and facts that can be
    guessed from some of their operands are: so this is no control, but says how much gets through without a graph."""
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
