"""Roles that the teacher's own chains bear out: enough symbols to tell a decision, and no more than that takes.

A causal swap changes one symbol in a text that may say the same elsewhere: a carry stands in the figures that it came
from, in their sum, and where it is written. A teacher reads whichever it likes, at every length another, so swaps name
too many symbols, or too few. What all of its chains show is which symbols *determine* the decision. The set with the
fewest possible groundings that does is taken where the swaps' own does not, or is larger; it needs no label.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import prod

import numpy as np
from numpy.typing import NDArray

from teacher_agent.shapes import NOTHING, Shape

SLIPS = 0.01
"""Share of repeated groundings that may be decided otherwise: a teacher errs now and then."""
REPEATS = 30
"""Least number of repeated groundings: where every chain is the only one of its kind, all sets determine everything."""

Ints = NDArray[np.int64]
Roles = tuple[int, ...]


def settle(shape: Shape, position: int, roles: Roles, most: int) -> Roles:
    """The smallest sufficient set that is found among single symbols, pairs and small changes to ``roles``; ``roles``
    where there is none."""
    seen = _Seen.of(shape, position)
    while True:
        size = seen.size(roles) if seen.determined(roles) else np.inf
        found = [(seen.size(each), each) for each in _nearby(roles, seen.elements, most) if seen.size(each) < size]
        better = next((each for _, each in sorted(found) if seen.determined(each)), None)
        if better is None:
            return roles
        roles = better


def _nearby(roles: Roles, elements: Sequence[int], most: int) -> Iterator[Roles]:
    """Singles and pairs of all elements; ``roles`` with one left out, added, or another in its place."""
    others = [each for each in elements if each not in roles]
    yield from ((each,) for each in elements)
    yield from combinations(elements, 2)
    for place in range(len(roles)):
        rest = roles[:place] + roles[place + 1 :]
        yield from [rest] if rest else []
        yield from (tuple(sorted((*rest, each))) for each in others)
    if len(roles) < most:
        yield from (tuple(sorted((*roles, each))) for each in others)


@dataclass(frozen=True)
class _Seen:
    """N chains that reach a decision: their symbols (N, L), what was decided (N,), and what may determine it."""

    symbols: Ints
    decided: Ints
    elements: tuple[int, ...]
    kinds: dict[int, int]  # different symbols of each element

    @classmethod
    def of(cls, shape: Shape, position: int) -> "_Seen":
        """The chains of the decision's pool; of every group of equal positions its latest mention before it."""
        symbols = shape.pools[position].symbols
        groups = set(shape.groups[:position].tolist()) - {NOTHING}
        members = (shape.members(group) for group in groups)
        elements = tuple(sorted(int(each[each < position][-1]) for each in members))
        _, decided = np.unique(symbols[:, position], return_inverse=True)
        return cls(symbols, decided, elements, {each: len(np.unique(symbols[:, each])) for each in elements})

    def size(self, roles: Roles) -> int:
        """Groundings that there may be."""
        return prod(self.kinds[each] for each in roles)

    def determined(self, roles: Roles) -> bool:
        """Whether equal groundings are decided alike, and enough of them are seen again."""
        code = np.zeros(len(self.symbols), np.int64)
        for each in roles:
            code = code * (int(self.symbols[:, each].max()) + 1) + self.symbols[:, each]
        _, code = np.unique(code, return_inverse=True)
        repeats = len(code) - int(code.max()) - 1
        return repeats >= REPEATS and self._slips(code) <= SLIPS * repeats

    def _slips(self, code: Ints) -> int:
        """Chains that decide otherwise than most with the same grounding."""
        answers = int(self.decided.max()) + 1
        table = np.bincount(code * answers + self.decided, minlength=(int(code.max()) + 1) * answers)
        return int(table.sum() - table.reshape(-1, answers).max(1).sum())
