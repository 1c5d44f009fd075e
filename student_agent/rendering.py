"""Probes as the student's own tokens, and where each element landed.

Templates are text: a lead and a symbol per element. The student's tokenizer may cut that text differently; an element
is *readable* when exactly one of the student's tokens covers it and nothing else.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from m2kt.neural.models import Tokenizer
from m2kt.packet.knowledge import UNUSED, Element, Knowledge, Template
from student_agent.probes import Probes, Unroller, decision_positions

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Rendered:
    """N chains of T student tokens. ``places`` [N, L] is the token of each element, -1 where it is not readable."""

    ids: Tensor  # (N, T)
    places: Ints  # (N, L)
    rows: Ints  # (N,) which of the probes these are


def render(knowledge: Knowledge, tokenizer: Tokenizer, probes: Probes) -> Iterator[Rendered]:
    """Tokenise ``probes``; chains of equal token length come together, so that nothing is padded."""
    texts, ends = _texts(knowledge, probes)
    encoded = tokenizer(texts, return_offsets_mapping=True)
    by_length: dict[int, list[int]] = {}
    for row, ids in enumerate(encoded["input_ids"]):
        by_length.setdefault(len(ids), []).append(row)
    for rows in by_length.values():
        ids = torch.tensor([encoded["input_ids"][row] for row in rows])
        places = np.stack([_places(encoded["offset_mapping"][row], ends[row]) for row in rows])
        yield Rendered(ids, places, np.array(rows))


def _texts(knowledge: Knowledge, probes: Probes) -> tuple[list[str], list[list[tuple[int, int]]]]:
    """Text of each chain and, per element, the characters where its lead starts and its symbol ends."""
    leads = [knowledge.leads[each] for each in probes.template.elements[:, 2]]
    texts, ends = [], []
    for row in probes.symbols.tolist():
        text, spans = "", []
        for lead, symbol in zip(leads, row, strict=True):
            start = len(text)
            text += lead + knowledge.symbols[symbol]
            spans.append((start, len(text)))
        texts.append(text)
        ends.append(spans)
    return texts, ends


def _places(offsets: Sequence[tuple[int, int]], spans: Sequence[tuple[int, int]]) -> Ints:
    """The one token that covers each element and nothing else, or -1."""
    by_end = {end: (token, start) for token, (start, end) in enumerate(offsets) if end > start}
    places = np.full(len(spans), -1)
    for element, (start, end) in enumerate(spans):
        token, token_start = by_end.get(end, (-1, -1))
        before = offsets[token - 1][1] if token > 0 else 0
        if token >= 0 and token_start >= start and before <= start:
            places[element] = token
    return places


@dataclass(frozen=True)
class Vocabulary:
    """How the student's tokens read the packet's symbols.

    ``tokens`` maps a symbol string to its tokens (``3`` and `` 3`` may be two), ``decided`` to those seen as a
    decision. ``usable`` are the templates that the tokenizer can follow, ``share`` the part of the chains in them.
    """

    tokens: dict[int, Counter[int]]
    decided: dict[int, Counter[int]]
    usable: tuple[int, ...]
    share: float


SAMPLES = 64
"""Chains per template that are tried to see how the tokenizer cuts them."""


def learn_vocabulary(knowledge: Knowledge, tokenizer: Tokenizer, seed: int) -> Vocabulary:
    """Render every template with random symbols in slots *and decisions* and see which tokens stand for what."""
    rng = np.random.default_rng(seed)
    tokens: dict[int, Counter[int]] = {}
    decided: dict[int, Counter[int]] = {}
    usable = []
    for number, template in enumerate(knowledge.templates):
        probes = _random_fill(knowledge, template, rng)
        parts = list(render(knowledge, tokenizer, probes))
        needed = _needed(knowledge, template)
        if all((part.places[:, needed] >= 0).all() for part in parts):
            usable.append(number)
            for part in parts:
                _count(tokens, part, probes, needed)
                _count(decided, part, probes, decision_positions(template))
    support = np.array([each.support for each in knowledge.templates])
    return Vocabulary(tokens, decided, tuple(usable), float(support[usable].sum() / support.sum()))


def _random_fill(knowledge: Knowledge, template: Template, rng: np.random.Generator) -> Probes:
    """Chains whose decisions are drawn at random among the anchors: no concept is read."""
    elements = template.elements.copy()
    everywhere = np.zeros((1, len(knowledge.symbols)), np.uint8)
    everywhere[0, knowledge.anchor_strings] = 1
    elements[elements[:, 0] == Element.DECISION, :2] = (Element.SLOT, len(knowledge.alphabets))
    loose = Knowledge(
        **{**vars(knowledge), "alphabets": np.concatenate([knowledge.alphabets, everywhere])},
    )
    unroller = Unroller(loose, np.zeros(len(knowledge.centroids), np.int64))
    return unroller.unroll(Template(elements, template.support), SAMPLES, rng)


def _needed(knowledge: Knowledge, template: Template) -> list[int]:
    """Elements that must be readable: decisions and what fills their roles."""
    needed = set(decision_positions(template))
    for position in tuple(needed):
        needed |= set(knowledge.decisions[template.elements[position, 1], 1:].tolist()) - {UNUSED}
    return sorted(needed)


def _count(counts: dict[int, Counter[int]], part: Rendered, probes: Probes, positions: Sequence[int]) -> None:
    symbols = probes.symbols[part.rows][:, positions]
    tokens = np.take_along_axis(part.ids.numpy(), part.places[:, positions], 1)
    for symbol, token in zip(symbols.ravel().tolist(), tokens.ravel().tolist(), strict=True):
        counts.setdefault(symbol, Counter())[token] += 1
