"""How a student's tokenizer reads a packet: which tokens spell each symbol, and which templates it can follow."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from m2kt.errors import AlignmentRefused
from m2kt.neural.models import Tokenizer
from m2kt.packet.knowledge import UNUSED, Element, Knowledge, Template
from student_agent.probes import Probes, decision_positions
from student_agent.rendering import Rendered, render
from student_agent.spelling import Variant

Spellings = dict[int, Counter[Variant]]


@dataclass(frozen=True)
class Vocabulary:
    """How the student's tokens read the packet's symbols.

    ``tokens`` maps a symbol string to its spellings (``3`` and `` 3`` may be two tokens, a long word several),
    ``decided`` to those seen as a decision. ``usable`` are the templates that the tokenizer can follow, ``share`` the
    part of the packet's chains that they stand for.
    """

    tokens: Spellings
    decided: Spellings
    usable: tuple[int, ...]
    share: float


SAMPLES = 64
"""Least number of chains per template that are tried to see how the tokenizer cuts them."""
LEAST_READABLE = 0.5
"""Least share of a template's chains whose decisions and roles must be readable."""
LONGEST = 8
"""Most tokens of one symbol; more would make the memory guess at every position what piece of what is due."""


def learn_vocabulary(knowledge: Knowledge, tokenizer: Tokenizer, seed: int) -> Vocabulary:
    """Render every template with every symbol in slots *and decisions*, and see which tokens stand for what."""
    rng = np.random.default_rng(seed)
    tokens: Spellings = {}
    decided: Spellings = {}
    shares = np.zeros(len(knowledge.templates))
    for number, template in enumerate(knowledge.templates):
        probes = _every_symbol(knowledge, template, rng)
        needed = needed_elements(knowledge, template)
        parts = [part.only(short(part, needed)) for part in render(knowledge, tokenizer, probes)]
        shares[number] = sum(len(part.rows) for part in parts) / len(probes.symbols)
        if shares[number] >= LEAST_READABLE:
            for part in parts:
                _count(tokens, part, probes, needed)
                _count(decided, part, probes, decision_positions(template))
    _require_distinct(knowledge, tokens)
    usable = np.flatnonzero(shares >= LEAST_READABLE)
    support = np.array([each.support for each in knowledge.templates])
    share = float((support * shares)[usable].sum() / support.sum())
    return Vocabulary(tokens, decided, tuple(usable.tolist()), share)


def short(part: Rendered, elements: Sequence[int]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Rows in which all of ``elements`` are readable and none is longer than `LONGEST` tokens, (N,)."""
    length = (part.last - part.first + 1)[:, elements]
    return part.readable(elements) & (length <= LONGEST).all(1)


def _require_distinct(knowledge: Knowledge, tokens: Spellings) -> None:
    """No tokens may stand for two symbols (a tokenizer that drops case or accents makes such)."""
    symbol_of: dict[Variant, int] = {}
    for symbol, seen in tokens.items():
        for variant in seen:
            other = symbol_of.setdefault(variant, symbol)
            if other != symbol:
                pair = f"{knowledge.symbols[other]!r} and {knowledge.symbols[symbol]!r}"
                raise AlignmentRefused(f"the student's tokenizer cannot tell apart {pair}: both have one spelling")


def _every_symbol(knowledge: Knowledge, template: Template, rng: np.random.Generator) -> Probes:
    """Chains in which every slot takes each of its symbols and every decision each anchor: no concept is read."""
    alphabets = [np.flatnonzero(row) for row in knowledge.alphabets]
    anchors = knowledge.anchor_strings.astype(np.int64)
    count = max(SAMPLES, 2 * len(anchors), *(2 * len(each) for each in alphabets))
    symbols = np.zeros((count, len(template)), np.int64)
    for position, (kind, argument, _, _) in enumerate(template.elements.tolist()):
        if kind == Element.LITERAL:
            symbols[:, position] = argument
        elif kind == Element.COPY:
            symbols[:, position] = symbols[:, argument]
        else:
            choices = anchors if kind == Element.DECISION else alphabets[argument]
            symbols[:, position] = rng.permutation(np.resize(choices, count))
    return Probes(template, symbols, np.zeros((count, 0), np.int64))


def needed_elements(knowledge: Knowledge, template: Template) -> list[int]:
    """Elements that must be readable: decisions and what fills their roles."""
    needed = set(decision_positions(template))
    for position in tuple(needed):
        needed |= set(knowledge.decisions[template.elements[position, 1], 1:].tolist()) - {UNUSED}
    return sorted(needed)


def _count(counts: Spellings, part: Rendered, probes: Probes, positions: Sequence[int]) -> None:
    for at, ids in enumerate(part.ids.tolist()):
        for position in positions:
            variant = tuple(ids[part.first[at, position] : part.last[at, position] + 1])
            counts.setdefault(int(probes.symbols[part.rows[at], position]), Counter())[variant] += 1
