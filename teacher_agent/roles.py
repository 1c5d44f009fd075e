"""Roles by causal token swap: on which earlier symbols does a decision depend?

One group of equal positions is replaced by what another chain of the same shape has there, and the teacher is asked
again at every decision that follows. Where the answer changes, the decision depends on the group. The share of changes
is the swap evidence, the packet's A beside saliency and attention (docs/transfer.md, *Roles*).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from m2kt.neural.forward import forward, in_batches
from m2kt.neural.models import LanguageModel
from teacher_agent.settings import SwapSettings as SwapSettings
from teacher_agent.shapes import NOTHING, Pool, Shape
from teacher_agent.sufficiency import settle

Flips = NDArray[np.float64]


@dataclass(frozen=True)
class Roles:
    """Swap evidence of one shape: ``flips`` [D, G], and per decision the elements that fill its role slots."""

    flips: Flips
    elements: tuple[tuple[int, ...], ...]
    queries: int


def find_roles(lm: LanguageModel, shape: Shape, settings: SwapSettings, seed: int) -> Roles:
    """Swap every group of ``shape`` and read which decisions change, each on its pool."""
    flips = np.zeros((len(shape.decisions), int(shape.groups.max()) + 1))
    queries = 0
    for pool, rows in _by_pool(shape):
        positions = [shape.decisions[row] for row in rows]
        flips[rows], asked = _swap_all(lm, shape, pool, positions, settings, np.random.default_rng(seed))
        queries += asked
    elements = tuple(
        _slots(shape, position, row, settings) for position, row in zip(shape.decisions, flips, strict=True)
    )
    return Roles(flips, elements, queries)


def _by_pool(shape: Shape) -> Iterator[tuple[Pool, list[int]]]:
    """Decisions (rows) that can be asked for in one pass: those whose pools are the same chains, with the longest."""
    rows: dict[int, list[int]] = {}
    for row, position in enumerate(shape.decisions):
        rows.setdefault(len(shape.pools[position].tokens), []).append(row)
    for together in rows.values():  # pools only lose chains along the way, so equal sizes are equal pools
        yield shape.pools[shape.decisions[together[-1]]], together


def _swap_all(
    lm: LanguageModel, shape: Shape, pool: Pool, positions: list[int], settings: SwapSettings, rng: np.random.Generator
) -> tuple[Flips, int]:
    """Share of changes at each of ``positions`` for every group, (D, G), and how many sequences were asked."""
    base = pool.tokens[rng.permutation(len(pool.tokens))[: settings.chains]]
    places = shape.places[positions] - 1
    before = decided(lm, places, base)
    flips, queries = np.zeros((len(positions), int(shape.groups.max()) + 1)), len(base)
    for group in range(flips.shape[1]):
        members = shape.members(group)
        if members[0] < positions[-1]:
            there = shape.places[members[members < positions[-1]]]
            swapped, rows = _swap(pool, base, there, settings.swaps, rng)
            if len(rows):
                flips[:, group] = (decided(lm, places, swapped) != before[rows]).mean(0)
            queries += len(rows)
            flips[np.array(positions) <= members[0], group] = 0  # what arises later cannot be a role
    return flips, queries


@torch.inference_mode()
def decided(lm: LanguageModel, places: NDArray[np.int64], tokens: NDArray[np.int64]) -> NDArray[np.int64]:
    """The token that the teacher would write after each of ``places``, (N, D)."""
    at = places.tolist()

    def top(rows: slice) -> NDArray[np.int64]:
        tops: NDArray[np.int64] = forward(lm, torch.from_numpy(tokens[rows]), at).logits.argmax(-1).cpu().numpy()
        return tops

    return np.concatenate([found for _, found in in_batches(lm, len(tokens), tokens.shape[1], top)])


def _swap(
    pool: Pool, base: NDArray[np.int64], places: NDArray[np.int64], swaps: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Copies of ``base`` with ``places`` from other chains, and the row each came from; equal draws are left out."""
    rows = np.repeat(np.arange(len(base)), swaps)
    donors = pool.tokens[rng.integers(len(pool.tokens), size=len(rows))]
    swapped = base[rows]
    swapped[:, places] = donors[:, places]
    changed = swapped[:, places[0]] != base[rows][:, places[0]]
    return swapped[changed], rows[changed]


def _slots(shape: Shape, position: int, flips: NDArray[np.float64], settings: SwapSettings) -> tuple[int, ...]:
    """Elements that fill the role slots: the latest mention of each group that matters, in order of position, as far as
    the teacher's chains bear them out."""
    groups = np.flatnonzero(flips >= settings.threshold)
    latest = (shape.members(int(group)) for group in groups)
    causal = tuple(sorted(int(members[members < position][-1]) for members in latest))
    return settle(shape, position, causal, settings.most_roles)


def usable(roles: Roles, settings: SwapSettings) -> bool:
    """Whether every decision of the shape depends on a few symbols and nothing more."""
    return all(0 < len(each) <= settings.most_roles for each in roles.elements)


def margin(roles: Roles, shape: Shape, settings: SwapSettings) -> tuple[float, float]:
    """(weakest role, strongest other) share of changes: how clear the cut was."""
    is_role = roles.flips >= settings.threshold
    weakest = float(roles.flips[is_role].min()) if is_role.any() else 0.0
    strongest = float(roles.flips[~is_role].max()) if (~is_role).any() else 0.0
    return weakest, strongest


def spread_over_elements(shape: Shape, flips: Flips) -> NDArray[np.float64]:
    """Swap evidence by element instead of by group, (D, L), on the latest mention before each decision."""
    evidence = np.zeros((len(shape.decisions), len(shape.groups)))
    for row, position in enumerate(shape.decisions):
        for group in set(shape.groups[:position].tolist()) - {NOTHING}:
            members = shape.members(group)
            evidence[row, members[members < position][-1]] = flips[row, group]
    return evidence


OnProgress = Callable[[int, int], None]
