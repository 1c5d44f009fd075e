"""Chains of one shape: the same kinds of symbol in the same places. What varies is a slot, a copy or a decision.

What a position is must not be judged from chains that were picked by what came later: in chains that end in *yes*
because two symbols are equal, the two always are. So every position is judged on its *pool*: all chains that look
alike up to it, whatever they go on to. Where the pool goes on with symbols of several kinds, the teacher chooses how
the chain goes on.
"""

from collections import Counter, defaultdict
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
CHOICE_SHARE = 0.02
"""Ways to go on that are taken by less than this share of a pool are slips."""

NOTHING = -1
END = -1
"""The kind of what follows the last symbol."""


@dataclass(frozen=True, eq=False)
class Pool:
    """N chains alike up to a position: ``tokens`` (N, t) before it, ``symbols`` (N, position + 1) up to and with it."""

    tokens: NDArray[np.int64]
    symbols: NDArray[np.int64]


@dataclass(frozen=True)
class Shape:
    """N chains of L units (T tokens).

    ``groups`` numbers what varies: positions that repeat each other share a number, fixed text has -1. ``pools`` has
    one entry per position, ``choices`` the positions where the pool goes on in several ways.
    """

    tokens: NDArray[np.int64]  # (N, T)
    symbols: NDArray[np.int64]  # (N, L)
    places: NDArray[np.int64]  # (L,)
    leads: NDArray[np.int64]  # (L,)
    prompt: int
    groups: NDArray[np.int64]  # (L,)
    pools: tuple[Pool, ...]
    choices: frozenset[int]

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
    """Shapes with at least ``least`` chains, the commonest first; none that the teacher chooses to end somewhere."""
    trie = _Trie(chains, kinds)
    alike: dict[Key, list[Chain]] = defaultdict(list)
    for chain in chains:
        alike[trie.key(chain, len(chain.symbols))].append(chain)
    groups = sorted((group for group in alike.values() if len(group) >= least), key=len, reverse=True)
    shapes = (_shape(group, trie) for group in groups)
    return [shape for shape in shapes if shape is not None]


Key = tuple[int, tuple[int, ...], tuple[int, ...], tuple[int, ...]]


def key_of(chain: Chain, position: int, kinds: Kinds) -> Key:
    """How a chain begins: everything but the symbols themselves, up to ``position``."""
    return (
        chain.prompt,
        tuple(kinds[list(chain.symbols[:position])].tolist()),
        chain.places[:position],
        chain.leads[:position],
    )


class _Trie:
    """Chains by how they begin: prompts whole, then symbol by symbol."""

    def __init__(self, chains: Sequence[Chain], kinds: Kinds) -> None:
        self._kinds = kinds
        self._through: dict[Key, list[Chain]] = defaultdict(list)
        self._pools: dict[Key, Pool] = {}
        for chain in chains:
            for position in range(chain.prompt, len(chain.symbols) + 1):
                self._through[self.key(chain, position)].append(chain)

    def key(self, chain: Chain, position: int) -> Key:
        return key_of(chain, position, self._kinds)

    def ways(self, chain: Chain, position: int) -> set[int]:
        """Kinds with which chains that begin like this one go on (`END` for no more), but for slips."""
        pool = self._through[self.key(chain, position)]
        seen = Counter(self._next(each, position) for each in pool)
        return {kind for kind, count in seen.items() if count >= CHOICE_SHARE * len(pool)}

    def _next(self, chain: Chain, position: int) -> int:
        return int(self._kinds[chain.symbols[position]]) if position < len(chain.symbols) else END

    def pool(self, chain: Chain, position: int) -> Pool:
        """All chains that begin like this one and go on; for a position of the prompt, all with its prompt."""
        key = self.key(chain, max(position, chain.prompt))
        if position < chain.prompt:
            key = (*key[:1], key[1], key[2], (*key[3], NOTHING))  # a key of its own: the prompt's pool
        if key not in self._pools:
            self._pools[key] = self._make_pool(chain, position)
        return self._pools[key]

    def _make_pool(self, chain: Chain, position: int) -> Pool:
        first = max(position, chain.prompt)
        reach = position + 1 if position >= chain.prompt else chain.prompt
        found = [each for each in self._through[self.key(chain, first)] if len(each.symbols) >= reach]
        end = chain.places[position] if position >= chain.prompt else chain.places[chain.prompt - 1] + 1
        return Pool(np.array([each.tokens[:end] for each in found]), np.array([each.symbols[:reach] for each in found]))


def _shape(chains: Sequence[Chain], trie: _Trie) -> Shape | None:
    one = chains[0]
    length = len(one.symbols)
    ways = {position: trie.ways(one, position) for position in range(one.prompt, length + 1)}
    if any(END in found and len(found) > 1 for found in ways.values()):
        return None  # the end of a text is no symbol, so a packet cannot say when to choose it
    pools = tuple(trie.pool(one, position) for position in range(length))
    choices = frozenset(position for position, found in ways.items() if len(found) > 1)
    return Shape(
        tokens=np.array([chain.tokens for chain in chains]),
        symbols=np.array([chain.symbols for chain in chains]),
        places=np.array(one.places),
        leads=np.array(one.leads),
        prompt=one.prompt,
        groups=_groups(pools, choices),
        pools=pools,
        choices=choices,
    )


def _groups(pools: Sequence[Pool], choices: frozenset[int]) -> NDArray[np.int64]:
    """Number the positions by what they repeat; -1 for fixed text. A choice arises where it is made."""
    groups = np.full(len(pools), NOTHING)
    for position, pool in enumerate(pools):
        column = pool.symbols[:, position]
        if position in choices:
            groups[position] = groups.max() + 1
        elif np.bincount(column).max() < LITERAL_SHARE * len(column):
            groups[position] = _repeated(pool.symbols, groups, position)
    return groups


def _repeated(symbols: NDArray[np.int64], groups: NDArray[np.int64], position: int) -> int:
    earlier = np.flatnonzero(groups[:position] != NOTHING)
    equal = (symbols[:, earlier] == symbols[:, [position]]).mean(0)
    if len(equal) and equal.max() >= COPY_SHARE:
        return int(groups[earlier[int(equal.argmax())]])
    return int(groups.max()) + 1
