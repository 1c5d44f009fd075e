"""Packets whose R misses edges: what is left of a chain up to the first decision that nobody says how to make.

An *edge* is what binds a decision to the elements that fill its roles. Where it is missing the template ends before
that decision, so that R says less, but nothing wrong; concepts of a class that no template decides any more go too.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bench.te.packets import knowledge_of
from bench.te.trials import Trial, Variant, variant
from m2kt.packet.controls import rebuilt
from m2kt.packet.knowledge import UNUSED, Element, Knowledge, Template
from student_agent.projection import only

SHARES = (0.25, 0.5, 0.75)
DRAWS = 3
"""Which edges are missing matters where there are few: several draws, each told."""

Marks = NDArray[np.bool_]


def variants(trial: Trial) -> Iterator[Variant]:
    """Each share of edges, then of whole templates, missing; none where nothing would be left of R."""
    base = trial.base
    knowledge = knowledge_of(base)
    for group, owners in (("edges", np.arange(len(knowledge.decisions))), ("templates", owner(knowledge))):
        for share in SHARES:
            for draw in range(DRAWS):
                left = without(knowledge, np.isin(owners, drawn(owners, share, trial.scene.seed + draw)))
                if left is not None:
                    told = f"{len(left.decisions)} of {len(knowledge.decisions)} decisions left"
                    yield variant(group, f"{share:.0%} missing, draw {draw + 1} ({told})", rebuilt(base, left))


def owner(knowledge: Knowledge) -> NDArray[np.int64]:
    """The template of each decision, (D,)."""
    found = np.zeros(len(knowledge.decisions), np.int64)
    for number, template in enumerate(knowledge.templates):
        found[_decided(template)] = number
    return found


def drawn(owners: NDArray[np.int64], share: float, seed: int) -> NDArray[np.int64]:
    """A share of them, the nearest whole number; with one seed a larger share holds a smaller one."""
    order = np.random.default_rng(seed).permutation(np.unique(owners))
    return order[: round(share * len(order))]


def _decided(template: Template) -> list[int]:
    """The decisions that a template makes, in its order."""
    return [argument for kind, argument, _, _ in template.elements.tolist() if kind == Element.DECISION]


def without(knowledge: Knowledge, missing: Marks) -> Knowledge | None:
    """R without the ``missing`` (D,) edges; None where no decision would be left."""
    short = [_cut(template, missing) for template in knowledge.templates]
    kept = [template for template in short if _decided(template)]
    if not kept:
        return None
    rows = sorted(each for template in kept for each in _decided(template))
    classes = np.unique(knowledge.decisions[rows, 0])
    number = np.full(knowledge.class_count, UNUSED, np.int32)
    number[classes] = np.arange(len(classes))
    decisions = knowledge.decisions[rows].copy()
    decisions[:, 0] = number[decisions[:, 0]]
    longest = max(map(len, kept))
    found = replace(
        only(knowledge, np.isin(knowledge.classes, classes)),
        templates=tuple(_renumbered(template, rows) for template in kept),
        decisions=decisions,
        swap=knowledge.swap[rows, :longest],
        gradient=knowledge.gradient[rows, :longest],
        attention=None if knowledge.attention is None else knowledge.attention[rows, :longest],
        choices=None if knowledge.choices is None else knowledge.choices[rows],
    )
    return replace(found, classes=number[found.classes])


def _cut(template: Template, missing: Marks) -> Template:
    """Up to the first decision whose edge is missing."""
    for place, (kind, argument, _, _) in enumerate(template.elements.tolist()):
        if kind == Element.DECISION and missing[argument]:
            return replace(template, elements=template.elements[:place])
    return template


def _renumbered(template: Template, rows: Sequence[int]) -> Template:
    """Decisions by their place among the ``rows`` that are kept."""
    elements = template.elements.copy()
    made = elements[:, 0] == Element.DECISION
    elements[made, 1] = np.searchsorted(rows, elements[made, 1])
    return replace(template, elements=elements)
