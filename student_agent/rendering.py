"""Probes as the student's own tokens, and where each element landed.

Templates are text: a lead and a symbol per element. The student's tokenizer may cut that text differently; an element
is *readable* when whole tokens cover it and nothing else, and none of them is the tokenizer's "unknown".
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from m2kt.neural.models import Tokenizer
from m2kt.packet.knowledge import Knowledge
from student_agent.probes import Probes

Ints = NDArray[np.int64]

UNREADABLE = -1


@dataclass(frozen=True)
class Rendered:
    """N chains of T student tokens; an element's tokens are ``first`` to ``last``, -1 where it is not readable."""

    ids: Tensor  # (N, T)
    first: Ints  # (N, L)
    last: Ints  # (N, L)
    rows: Ints  # (N,) which of the probes these are

    def readable(self, elements: Sequence[int]) -> NDArray[np.bool_]:
        """Rows in which all of ``elements`` are readable, (N,)."""
        whole: NDArray[np.bool_] = (self.last[:, elements] != UNREADABLE).all(1)
        return whole

    def only(self, kept: NDArray[np.bool_]) -> "Rendered":
        """The rows that are marked in ``kept`` (N,)."""
        return Rendered(self.ids[torch.from_numpy(kept)], self.first[kept], self.last[kept], self.rows[kept])


def render(knowledge: Knowledge, tokenizer: Tokenizer, probes: Probes) -> Iterator[Rendered]:
    """Tokenise ``probes``; chains of equal token length come together, so that nothing is padded."""
    texts, spans = _texts(knowledge, probes)
    encoded = tokenizer(texts, return_offsets_mapping=True)
    by_length: dict[int, list[int]] = {}
    for row, ids in enumerate(encoded["input_ids"]):
        by_length.setdefault(len(ids), []).append(row)
    for rows in by_length.values():
        ids = [encoded["input_ids"][row] for row in rows]
        places = [_places(encoded["offset_mapping"][row], spans[row]) for row in rows]
        known = [_without(tokenizer.unk_token_id, own, place) for own, place in zip(ids, places, strict=True)]
        ends = np.array(known, np.int64)  # (N, L, 2)
        yield Rendered(torch.tensor(ids), ends[..., 0], ends[..., 1], np.array(rows))


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


Place = tuple[int, int]


def _places(offsets: Sequence[tuple[int, int]], spans: Sequence[tuple[int, int]]) -> list[Place]:
    """First and last token of each element, or a pair of -1 where a token reaches into a neighbour."""
    real = [(token, start, end) for token, (start, end) in enumerate(offsets) if end > start]
    places, at = [], 0
    for start, end in spans:
        while at < len(real) and real[at][2] <= start:
            at += 1
        inside = []
        while at < len(real) and real[at][2] <= end:
            inside.append(real[at])
            at += 1
        whole = inside and inside[0][1] >= start and inside[-1][2] == end
        places.append((inside[0][0], inside[-1][0]) if whole else (UNREADABLE, UNREADABLE))
    return places


def _without(unknown: int | None, ids: Sequence[int], places: Sequence[Place]) -> list[Place]:
    """Places whose tokens include the "unknown" one are not readable."""
    bad = (UNREADABLE, UNREADABLE)
    return [bad if first < 0 or unknown in ids[first : last + 1] else (first, last) for first, last in places]
