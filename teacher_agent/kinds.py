"""Which symbols play the same part: learned from the teacher's chains, with nothing known of the domain.

Two symbols are of one *kind* when the same kinds of symbol stand around them. The partition starts with one kind and
is refined until it is stable (as states of an automaton are), at every small difference: in long chains the ends, by
which operands and operators differ at first, are rare. What only differs in frequency is then joined again.

Prompts come first: there symbols are drawn freely, while in what the teacher writes each stands where the facts put it,
which would make a kind of every fact. Symbols that only the teacher writes are sorted after them, on whole chains. At
last, kinds that mix symbols which never meet in one chain are taken apart (truth values and digits may sit in equal
places of different chains).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from teacher_agent.chains import Chain

OFFSETS = (-3, -2, -1, 1, 2, 3)
FINE, SIMILARITY = 0.98, 0.75
"""Least Bhattacharyya coefficient of two symbols' surroundings, at every offset, to stay together while kinds are
refined, and to be of one kind in the end."""
MEETINGS = 0.05
"""Share of the rarer symbol's chains in which two symbols must meet to belong together: above a teacher's slips."""

Kinds = NDArray[np.int64]
Counts = NDArray[np.float64]


def symbol_kinds(chains: Sequence[Chain], count: int) -> Kinds:
    """Kind of each of ``count`` symbols, (S,)."""
    asked = np.zeros(count, bool)
    for chain in chains:
        asked[list(chain.symbols[: chain.prompt])] = True
    kinds = np.where(asked, 0, 1)
    kinds = _sort(_stream(chains, count, prompts_only=True), kinds, asked)
    kinds = _sort(_stream(chains, count), kinds, ~asked)
    return _split_by_meetings(chains, kinds, count)


def _sort(stream: NDArray[np.int64], kinds: Kinds, free: NDArray[np.bool_]) -> Kinds:
    """Refine the kinds of the ``free`` symbols (S,) until they are stable, then join; the other kinds stay."""
    if not free.any():
        return kinds
    while (refined := _refine(stream, kinds, free)).max() > kinds.max():
        kinds = refined
    while (joined := _join(stream, kinds, free)).max() < kinds.max():
        kinds = joined
    return kinds


def _stream(chains: Sequence[Chain], count: int, prompts_only: bool = False) -> NDArray[np.int64]:
    """All chains in one row, with marks (numbers from ``count`` on) for edges and for the end of the prompt."""
    edge, turn = count, count + 1
    gap = [edge] * max(OFFSETS)
    row: list[int] = [*gap]
    for chain in chains:
        written = () if prompts_only else chain.symbols[chain.prompt :]
        row += [*chain.symbols[: chain.prompt], turn, *written, *gap]
    return np.array(row, np.int64)


def _refine(stream: NDArray[np.int64], kinds: Kinds, free: NDArray[np.bool_]) -> Kinds:
    """Split the kinds of free symbols into groups with alike surroundings."""
    around = _surroundings(stream, kinds, len(free))
    refined, last = np.zeros_like(kinds), 0
    for kind in range(int(kinds.max()) + 1):
        members = np.flatnonzero(kinds == kind)
        groups = _merge_alike(around[members], FINE) if free[members].all() else np.zeros(len(members), np.int64)
        refined[members] = last + groups
        last += int(groups.max(initial=-1)) + 1
    return refined


def _join(stream: NDArray[np.int64], kinds: Kinds, free: NDArray[np.bool_]) -> Kinds:
    """Join kinds of free symbols whose surroundings are alike but for frequency."""
    around = _surroundings(stream, kinds, len(free))
    numbers = np.arange(int(kinds.max()) + 1)
    loose = np.array([bool(free[kinds == number].all()) for number in numbers])
    pooled = np.stack([around[kinds == number].sum(0) for number in numbers])
    joined = np.zeros_like(numbers)
    joined[~loose] = np.arange(int((~loose).sum()))
    joined[loose] = int((~loose).sum()) + _merge_alike(pooled[loose], SIMILARITY)
    return joined[kinds]


def _surroundings(stream: NDArray[np.int64], kinds: Kinds, count: int) -> Counts:
    """How often each kind stands at each offset from each symbol, (S, offsets, kinds + 3): the two marks and *the same
    symbol again* are kinds of their own."""
    labels = np.concatenate([kinds, kinds.max() + np.array([1, 2])])
    again = int(labels.max()) + 1
    reach = max(OFFSETS)
    middle = np.arange(reach, len(stream) - reach)
    middle = middle[stream[middle] < count]
    around = np.zeros((count, len(OFFSETS), again + 1))
    for column, offset in enumerate(OFFSETS):
        there = stream[middle + offset]
        kind = np.where(there == stream[middle], again, labels[there])
        np.add.at(around[:, column], (stream[middle], kind), 1)
    return around


def _merge_alike(around: Counts, least: float) -> Kinds:
    """Merge the two groups that are most alike until none are alike enough; group of each row, (n,)."""
    pooled = around.copy()
    group = np.arange(len(pooled))
    alike = np.stack([_similarity(pooled, row) for row in range(len(pooled))])
    np.fill_diagonal(alike, -1)
    while alike.max() >= least:
        kept, gone = sorted(divmod(int(alike.argmax()), len(alike)))
        pooled[kept] += pooled[gone]
        group[group == gone] = kept
        alike[kept] = np.where(alike[kept] < 0, -1, _similarity(pooled, kept))
        alike[:, kept] = alike[kept]
        alike[gone], alike[:, gone] = -1, -1
    return np.unique(group, return_inverse=True)[1]


def _similarity(around: Counts, row: int) -> NDArray[np.float64]:
    """Bhattacharyya coefficient of every row's surroundings with one row's, at the offset where they differ most."""
    shares = np.sqrt(around / np.maximum(around.sum(-1, keepdims=True), 1))
    coefficients: NDArray[np.float64] = (shares * shares[row]).sum(-1).min(-1)
    return coefficients


def _split_by_meetings(chains: Sequence[Chain], kinds: Kinds, count: int) -> Kinds:
    """Take apart symbols of one kind that are connected by no chain, seeing only symbols that vary."""
    varying = np.flatnonzero(np.bincount(kinds)[kinds] > 1)
    column = np.full(count, -1)
    column[varying] = np.arange(len(varying))
    present = np.zeros((len(chains), len(varying)), np.float32)
    for row, chain in enumerate(chains):
        columns = column[list(chain.symbols)]
        present[row, columns[columns >= 0]] = 1
    together = present.T @ present
    rarer = np.minimum.outer(together.diagonal(), together.diagonal())
    part = np.zeros(count, np.int64)
    part[varying] = 1 + _components(together > MEETINGS * rarer)
    pairs = np.stack([kinds, part])
    _, number, sizes = np.unique(pairs, axis=1, return_inverse=True, return_counts=True)
    pairs[1, sizes[number] == 1] = 0  # one that meets none of its kind gives no reason to be taken apart
    return np.unique(pairs, axis=1, return_inverse=True)[1]


def _components(linked: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Connected components of a symmetric boolean matrix."""
    labels = np.full(len(linked), -1)
    for start in range(len(linked)):
        if labels[start] < 0:
            reached = np.zeros(len(linked), bool)
            reached[start] = True
            while (grown := reached | linked[reached].any(0)).sum() > reached.sum():
                reached = grown
            labels[reached] = labels.max() + 1
    return labels
