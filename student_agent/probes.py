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
        """One number per (class, grounding), exact: Python ints where strings^slots would pass 64 bits."""
        whole = self._knowledge.class_count * self._base ** groundings.shape[1] < 2**62
        codes = classes.astype(np.int64 if whole else object)
        for column in groundings.T:
            codes = codes * self._base + (column.astype(codes.dtype) + 1)
        return np.asarray(codes)

    def unroll(self, template: Template, count: int, rng: np.random.Generator) -> Probes:
        """At most ``count`` chains. Those that reach a grounding without a concept, or a choice that leads out of the
        template, are drawn anew a few times, each time more of them."""
        rounds = [self._unroll_once(template, count, rng)]
        while sum(len(each.symbols) for each in rounds) < count and len(rounds) < ROUNDS:
            rounds.append(self._unroll_once(template, count * 2 ** len(rounds), rng))
        symbols = np.concatenate([each.symbols for each in rounds])[:count]
        return Probes(template, symbols, np.concatenate([each.concepts for each in rounds])[:count])

    def _unroll_once(self, template: Template, count: int, rng: np.random.Generator) -> Probes:
        symbols = np.full((count, len(template)), MISSING, np.int64)
        concepts = np.zeros((count, 0), np.int64)
        for position, (kind, argument, _, _) in enumerate(template.elements.tolist()):
            if kind == Element.LITERAL:
                symbols[:, position] = argument
            elif kind == Element.SLOT:
                symbols[:, position] = rng.choice(np.flatnonzero(self._knowledge.alphabets[argument]), len(symbols))
            elif kind == Element.COPY:
                symbols[:, position] = symbols[:, argument]
            else:
                found = self._find(argument, symbols)
                symbols[:, position] = np.where(found >= 0, self._answers[found], MISSING)
                goes_on = (found >= 0) & self._allowed(argument, symbols[:, position])
                symbols, concepts = symbols[goes_on], np.column_stack([concepts, found])[goes_on]
        return Probes(template, symbols, concepts)

    def _allowed(self, decision: int, symbols: Ints) -> NDArray[np.bool_]:
        """Whether the template goes on after this decision of ``symbols`` (N,)."""
        choices = self._knowledge.choices
        if choices is None or choices[decision] == UNUSED:
            return np.ones(len(symbols), bool)
        allowed: NDArray[np.bool_] = self._knowledge.alphabets[choices[decision]][symbols] > 0
        return allowed

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
