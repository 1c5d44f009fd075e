"""One template of a packet's abstraction graph, in words and figures: elements, and on what decisions depend."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from broker.services.contents import Contents
from m2kt.errors import NotFound
from m2kt.packet.knowledge import UNUSED, Element, Floats

MOST_ELEMENTS = 48
MOST_DECISIONS = 12
"""Of one template that a page shows; it says when there are more."""


@dataclass(frozen=True)
class Part:
    """One element: its kind, its text for people, whether the teacher wrote it, and which elements it refers to."""

    number: int
    kind: Element
    text: str
    written: bool
    refers_to: tuple[int, ...]


@dataclass(frozen=True)
class Evidence:
    """On what one decision depends: a share for each element, from 0 to 1 (gradients may be negative)."""

    decision: int
    element: int
    decision_class: int
    swap: tuple[float, ...]
    gradient: tuple[float, ...]
    attention: tuple[float, ...] | None


@dataclass(frozen=True)
class TemplateView:
    number: int
    count: int
    """Of templates in the packet."""
    support: int
    parts: Sequence[Part]
    decisions: Sequence[Evidence]
    elements: int
    """All of them, shown or not."""
    deciding: int


def view(contents: Contents, number: int) -> TemplateView:
    """Template ``number``, the most supported first."""
    templates = contents.knowledge.templates
    order = sorted(range(len(templates)), key=lambda each: (-templates[each].support, each))
    if not 0 <= number < len(order):
        raise NotFound(f"the packet has {len(order)} templates")
    template = templates[order[number]]
    table = [(int(kind), int(argument), int(written)) for kind, argument, _, written in template.elements]
    deciding = [each for each, (kind, _, _) in enumerate(table) if kind == Element.DECISION]
    shown = table[:MOST_ELEMENTS]
    return TemplateView(
        number,
        len(order),
        template.support,
        [_part(contents, place, *row) for place, row in enumerate(shown)],
        [_evidence(contents, table[each][1], each, len(shown)) for each in deciding[:MOST_DECISIONS]],
        len(table),
        len(deciding),
    )


def _part(contents: Contents, place: int, kind: int, argument: int, written: int) -> Part:
    knowledge = contents.knowledge
    if kind == Element.LITERAL:
        return Part(place, Element.LITERAL, knowledge.symbols[argument], bool(written), ())
    if kind == Element.SLOT:
        filling = np.flatnonzero(knowledge.alphabets[argument])
        some = " ".join(knowledge.symbols[each] for each in filling[:6])
        more = f" … {len(filling)}" if len(filling) > 6 else ""
        return Part(place, Element.SLOT, f"any of {some}{more}", bool(written), ())
    if kind == Element.COPY:
        return Part(place, Element.COPY, f"as element {argument}", bool(written), (argument,))
    row = knowledge.decisions[argument]
    roles = tuple(int(each) for each in row[1:] if each != UNUSED)
    return Part(place, Element.DECISION, f"decides class {int(row[0])}", bool(written), roles)


def _evidence(contents: Contents, decision: int, place: int, width: int) -> Evidence:
    knowledge = contents.knowledge

    def row(of: Floats) -> tuple[float, ...]:
        return tuple(float(each) for each in of[decision, :width])

    attention = None if knowledge.attention is None else row(knowledge.attention)
    class_ = int(knowledge.decisions[decision, 0])
    return Evidence(decision, place, class_, row(knowledge.swap), row(knowledge.gradient), attention)
