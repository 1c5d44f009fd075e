"""What a packet carries of a survey and its concepts: tensors in the packet's numbering (docs/packet.md)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from m2kt.neural.models import LanguageModel
from m2kt.packet.knowledge import UNUSED, Element, Knowledge, Template
from teacher_agent.concepts import Concepts
from teacher_agent.maps import attention_map, gradient_map
from teacher_agent.roles import spread_over_elements
from teacher_agent.shapes import NOTHING, Shape
from teacher_agent.slots import Decision
from teacher_agent.survey import Survey


def assemble(lm: LanguageModel, found: Survey, concepts: Concepts) -> Knowledge:
    """What a packet carries of a survey and the concepts in it."""
    corpus, shapes, roles, decisions = found.corpus, found.shapes, found.roles, found.decisions
    slots = max(len(each.roles) for each in decisions)
    alphabets = _Alphabets(len(corpus.symbols))
    templates = [_template(shape, number, decisions, alphabets) for number, shape in enumerate(shapes)]
    choices = _choices(shapes, decisions, alphabets)
    strings, rows, bias = anchors_of(lm, shapes, decisions)
    longest = max(len(each) for each in templates)
    knowledge = Knowledge(
        symbols=corpus.symbols,
        leads=corpus.leads,
        centroids=concepts.centroids.astype(np.float16),
        dispersion=concepts.dispersion,
        support=concepts.support,
        groundings=np.array([_padded(grounding, slots) for _, grounding in concepts.keys], np.int32),
        classes=np.array([number for number, _ in concepts.keys], np.int32),
        anchors=rows.astype(np.float16),
        anchor_bias=bias.astype(np.float32),
        anchor_strings=strings,
        templates=tuple(templates),
        alphabets=alphabets.table(),
        decisions=np.array([(each.decision_class, *_padded(each.roles, slots)) for each in decisions], np.int32),
        swap=_wide([spread_over_elements(s, r.flips) for s, r in zip(shapes, roles, strict=True)], longest),
        gradient=_wide([gradient_map(lm, each) for each in shapes], longest),
        choices=choices,
    )
    maps = [attention_map(lm, each) for each in shapes]
    present = [each for each in maps if each is not None]
    return replace(knowledge, attention=_wide(present, longest)) if len(present) == len(maps) else knowledge


def _padded(values: Sequence[int], width: int) -> list[int]:
    return [*values, *[UNUSED] * (width - len(values))]


def _wide(tables: Sequence[NDArray[np.float64]], width: int) -> NDArray[np.float16]:
    """Stack (D_i, L_i) tables to (D, width), zeros at the right."""
    return np.concatenate([np.pad(each, ((0, 0), (0, width - each.shape[1]))) for each in tables]).astype(np.float16)


class _Alphabets:
    """Distinct sets of symbols that may fill a slot."""

    def __init__(self, symbols: int) -> None:
        self._symbols = symbols
        self._sets: dict[frozenset[int], int] = {}

    def number(self, column: NDArray[np.int64]) -> int:
        """Number of the set of symbols in ``column``; sets within another are that one."""
        return self._sets.setdefault(frozenset(column.tolist()), len(self._sets))

    def table(self) -> NDArray[np.uint8]:
        """One row per set, (n, S)."""
        table = np.zeros((len(self._sets), self._symbols), np.uint8)
        for members, row in self._sets.items():
            table[row, list(members)] = 1
        return table


def _choices(shapes: Sequence[Shape], decisions: Sequence[Decision], alphabets: _Alphabets) -> NDArray[np.int32] | None:
    """Alphabet that keeps a chain in its template where the teacher chooses how to go on; None if it never does."""
    if not any(shape.choices for shape in shapes):
        return None
    rows = []
    for each in decisions:
        shape = shapes[each.shape]
        column = shape.symbols[:, each.position]
        rows.append(alphabets.number(column) if each.position in shape.choices else UNUSED)
    return np.array(rows, np.int32)


def _template(shape: Shape, number: int, decisions: Sequence[Decision], alphabets: _Alphabets) -> Template:
    rows = {each.position: row for row, each in enumerate(decisions) if each.shape == number}
    elements = []
    for position, group in enumerate(shape.groups.tolist()):
        column = shape.pools[position].symbols[:, position]
        if group == NOTHING:
            kind, argument = Element.LITERAL, int(np.bincount(column).argmax())
        elif position in rows:
            kind, argument = Element.DECISION, rows[position]
        elif (root := shape.root(position)) != position:
            kind, argument = Element.COPY, root
        else:
            kind, argument = Element.SLOT, alphabets.number(column)
        elements.append((kind, argument, int(shape.leads[position]), int(position >= shape.prompt)))
    return Template(np.array(elements, np.int32), len(shape.symbols))


def anchors_of(
    lm: LanguageModel, shapes: Sequence[Shape], decisions: Sequence[Decision]
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]:
    """Strings, unembedding rows (A, d) and biases (A,) of every symbol that some decision brings up."""
    tokens: dict[int, Counter[int]] = {}
    for each in decisions:
        shape = shapes[each.shape]
        column = shape.tokens[:, shape.places[each.position]]
        for symbol, token in zip(shape.symbols[:, each.position].tolist(), column.tolist(), strict=True):
            tokens.setdefault(symbol, Counter())[token] += 1
    strings = sorted(tokens)
    chosen = [tokens[symbol].most_common(1)[0][0] for symbol in strings]
    weight = lm.head.weight[chosen].float().cpu().numpy()
    bias = lm.head.bias[chosen].float().cpu().numpy() if lm.head.bias is not None else np.zeros(len(chosen))
    return np.array(strings, np.int32), weight, bias
