"""Synthetic probes: the abstraction graph unrolled with random symbols.

Everything comes from the packet: templates and alphabets from R, and what a decision decides from C, read through the
alignment. No prompt of the teacher's, no domain and no ground truth is at hand here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from m2kt.packet.knowledge import UNUSED, Element, Knowledge, Template

MISSING = -1

ROUNDS = 8
"""Tries to fill a batch when many groundings have no concept."""

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Probes:
    """N unrolled chains of one template of L elements with D decisions."""

    template: Template
    symbols: Ints  # (N, L) symbol strings
    concepts: Ints  # (N, D) the concept behind each decision


class Unroller:
    """Fills templates. ``answers`` [K] is the symbol string that each concept decodes to."""

    def __init__(self, knowledge: Knowledge, answers: Sequence[int] | Ints) -> None:
        self._knowledge = knowledge
        self._answers = np.asarray(answers, np.int64)
        self._base = len(knowledge.symbols) + 1
        codes = self._codes(knowledge.classes.astype(np.int64), knowledge.groundings.astype(np.int64))
        self._order = np.argsort(codes)
        self._sorted = codes[self._order]

    def _codes(self, classes: Ints, groundings: Ints) -> Ints:
        """One number per (class, grounding), exact: Python ints, since strings^slots may pass 64 bits."""
        codes = classes.astype(object)
        for column in groundings.T:
            codes = codes * self._base + (column.astype(object) + 1)
        return np.asarray(codes)

    def unroll(self, template: Template, count: int, rng: np.random.Generator) -> Probes:
        """At most ``count`` chains; those that reach a grounding without a concept are drawn anew, a few times."""
        rounds = [self._unroll_once(template, count, rng)]
        while sum(len(each.symbols) for each in rounds) < count and len(rounds) < ROUNDS:
            rounds.append(self._unroll_once(template, count, rng))
        symbols = np.concatenate([each.symbols for each in rounds])[:count]
        return Probes(template, symbols, np.concatenate([each.concepts for each in rounds])[:count])

    def _unroll_once(self, template: Template, count: int, rng: np.random.Generator) -> Probes:
        symbols = np.full((count, len(template)), MISSING, np.int64)
        concepts: list[Ints] = []
        for position, (kind, argument, _, _) in enumerate(template.elements.tolist()):
            if kind == Element.LITERAL:
                symbols[:, position] = argument
            elif kind == Element.SLOT:
                symbols[:, position] = rng.choice(np.flatnonzero(self._knowledge.alphabets[argument]), count)
            elif kind == Element.COPY:
                symbols[:, position] = symbols[:, argument]
            else:
                concepts.append(self._find(argument, symbols))
                symbols[:, position] = np.where(concepts[-1] >= 0, self._answers[concepts[-1]], MISSING)
        found = np.stack(concepts, 1) if concepts else np.zeros((count, 0), np.int64)
        whole = (found >= 0).all(1)
        return Probes(template, symbols[whole], found[whole])

    def _find(self, decision: int, symbols: Ints) -> Ints:
        """Concept of each chain at a decision, or MISSING, (N,)."""
        number, *roles = self._knowledge.decisions[decision].tolist()
        groundings = np.stack(
            [symbols[:, role] if role != UNUSED else np.full(len(symbols), UNUSED) for role in roles], 1
        )
        codes = self._codes(np.full(len(symbols), number), groundings)
        at = np.minimum(np.searchsorted(self._sorted, codes), len(self._sorted) - 1)
        return np.where(self._sorted[at] == codes, self._order[at], MISSING)


def decision_positions(template: Template) -> list[int]:
    """Elements of a template that are decisions, in order."""
    return np.flatnonzero(template.elements[:, 0] == Element.DECISION).tolist()
