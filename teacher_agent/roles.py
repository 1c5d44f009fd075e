"""Roles by causal token swap: on which earlier symbols does a decision depend?

One group of equal positions is replaced by what another chain of the same shape has there, and the teacher is asked
again at every decision that follows. Where the answer changes, the decision depends on the group. The share of changes
is the swap evidence, the packet's A beside saliency and attention (docs/transfer.md, *Roles*).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from m2kt.neural.forward import batched, forward, rows_per_batch
from m2kt.neural.models import LanguageModel
from teacher_agent.shapes import NOTHING, Shape

Flips = NDArray[np.float64]


@dataclass(frozen=True)
class SwapSettings:
    """How many chains of a shape are swapped, how often per group, and the share of changes that makes a role."""

    chains: int = 48
    swaps: int = 4
    threshold: float = 0.12
    most_roles: int = 4


@dataclass(frozen=True)
class Roles:
    """Swap evidence of one shape: ``flips`` [D, G], and per decision the elements that fill its role slots."""

    flips: Flips
    elements: tuple[tuple[int, ...], ...]
    queries: int


def find_roles(lm: LanguageModel, shape: Shape, settings: SwapSettings, seed: int) -> Roles:
    """Swap every group of ``shape`` and read which decisions change."""
    rng = np.random.default_rng(seed)
    base = shape.tokens[rng.permutation(len(shape.tokens))[: settings.chains]]
    before = decided(lm, shape, base)
    groups = int(shape.groups.max()) + 1
    flips = np.zeros((len(shape.decisions), groups))
    queries = len(base)
    for group in range(groups):
        swapped, rows = _swap(shape, base, group, settings.swaps, rng)
        if len(rows):
            flips[:, group] = (decided(lm, shape, swapped) != before[rows]).mean(0)
        queries += len(rows)
    _ignore_the_future(shape, flips)
    elements = tuple(
        _slots(shape, position, row, settings) for position, row in zip(shape.decisions, flips, strict=True)
    )
    return Roles(flips, elements, queries)


@torch.inference_mode()
def decided(lm: LanguageModel, shape: Shape, tokens: NDArray[np.int64]) -> NDArray[np.int64]:
    """The token that the teacher would write at each decision, (N, D)."""
    places = torch.from_numpy(shape.places[shape.decisions] - 1)
    out = []
    for rows in batched(len(tokens), rows_per_batch(lm, tokens.shape[1])):
        logits = forward(lm, torch.from_numpy(tokens[rows])).logits
        out.append(logits[:, places].argmax(-1).cpu().numpy())
    return np.concatenate(out)


def _swap(
    shape: Shape, base: NDArray[np.int64], group: int, swaps: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Copies of ``base`` with one group from other chains, and the row each came from; equal draws are left out."""
    rows = np.repeat(np.arange(len(base)), swaps)
    donors = shape.tokens[rng.integers(len(shape.tokens), size=len(rows))]
    places = shape.places[shape.members(group)]
    swapped = base[rows]
    swapped[:, places] = donors[:, places]
    changed = swapped[:, places[0]] != base[rows][:, places[0]]
    return swapped[changed], rows[changed]


def _ignore_the_future(shape: Shape, flips: Flips) -> None:
    """A group that arises at or after a decision cannot be its role."""
    roots = np.array([shape.members(group)[0] for group in range(flips.shape[1])])
    for row, position in enumerate(shape.decisions):
        flips[row, roots >= position] = 0


def _slots(shape: Shape, position: int, flips: NDArray[np.float64], settings: SwapSettings) -> tuple[int, ...]:
    """Elements that fill the role slots: the latest mention of each group that matters, in order of position."""
    groups = np.flatnonzero(flips >= settings.threshold)
    latest = (shape.members(int(group)) for group in groups)
    return tuple(sorted(int(members[members < position][-1]) for members in latest))


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
