"""Chains of one shape: the same kinds of symbol in the same places. What varies is a slot, a copy or a decision."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from teacher_agent.chains import Chain
from teacher_agent.kinds import Kinds

LITERAL_SHARE = 0.99
"""A position where one symbol stands in at least this share of the chains is fixed text."""
COPY_SHARE = 0.97
"""A position that repeats an earlier one in at least this share of the chains is a copy (teachers make slips)."""

NOTHING = -1


@dataclass(frozen=True)
class Shape:
    """N chains of L units (T tokens).

    ``groups`` numbers what varies: positions that repeat each other share a number, fixed text has -1.
    """

    tokens: NDArray[np.int64]  # (N, T)
    symbols: NDArray[np.int64]  # (N, L)
    places: NDArray[np.int64]  # (L,)
    leads: NDArray[np.int64]  # (L,)
    prompt: int
    groups: NDArray[np.int64]  # (L,)

    def members(self, group: int) -> NDArray[np.int64]:
        """Positions of a group, in order; the first is where its symbol arises."""
        return np.flatnonzero(self.groups == group)

    def root(self, position: int) -> int:
        """The position where this position's symbol arises."""
        return int(self.members(int(self.groups[position]))[0])

    @property
    def decisions(self) -> list[int]:
        """Positions where the teacher itself brings up a symbol that varies."""
        return [p for p in range(self.prompt, len(self.groups)) if self.groups[p] != NOTHING and self.root(p) == p]


def find_shapes(chains: Sequence[Chain], kinds: Kinds, least: int) -> list[Shape]:
    """Shapes with at least ``least`` chains, the commonest first."""
    alike: dict[tuple[object, ...], list[Chain]] = defaultdict(list)
    for chain in chains:
        pattern = tuple(kinds[list(chain.symbols)].tolist())
        alike[(chain.prompt, pattern, chain.places, chain.leads, len(chain.tokens))].append(chain)
    groups = sorted((group for group in alike.values() if len(group) >= least), key=len, reverse=True)
    return [_shape(group) for group in groups]


def _shape(chains: Sequence[Chain]) -> Shape:
    symbols = np.array([chain.symbols for chain in chains])
    return Shape(
        tokens=np.array([chain.tokens for chain in chains]),
        symbols=symbols,
        places=np.array(chains[0].places),
        leads=np.array(chains[0].leads),
        prompt=chains[0].prompt,
        groups=_copy_groups(symbols),
    )


def _copy_groups(symbols: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number the positions by what they repeat; -1 for fixed text."""
    groups = np.full(symbols.shape[1], NOTHING)
    for position in range(symbols.shape[1]):
        column = symbols[:, position]
        if np.bincount(column).max() >= LITERAL_SHARE * len(column):
            continue
        groups[position] = _repeated(symbols, groups, position)
    return groups


def _repeated(symbols: NDArray[np.int64], groups: NDArray[np.int64], position: int) -> int:
    earlier = np.flatnonzero(groups[:position] != NOTHING)
    equal = (symbols[:, earlier] == symbols[:, [position]]).mean(0)
    if len(equal) and equal.max() >= COPY_SHARE:
        return int(groups[earlier[int(equal.argmax())]])
    return int(groups.max()) + 1
