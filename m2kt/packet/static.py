"""Static concepts: what an encoder knows of a task without steps, as a mixture of Gaussians (docs/packet.md).

They travel in packets of kind `knowledge` that have ``concepts/emissions`` and no graph: the task is *say which symbol
an input belongs to*. What ties the vectors to a student's inputs is a packet of kind `anchors` of the same teacher.

    concepts/centroids  F16 or F32 (K, d)   mean of the states of the concept's items
    concepts/variance   F16 or F32 (K, d)   their variance, coordinate by coordinate
    concepts/weight     F32 (K,)            share of all items that are its
    concepts/support    I32 (K,)            how many items that are, at least 5
    concepts/emissions  I32 (K,)            the symbol that the teacher says for them
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m2kt.errors import TensorError

LEAST_SUPPORT = 5
"""Items of a concept below which its centroid would nearly be an activation on one input."""

NAMES = tuple(f"concepts/{each}" for each in ("centroids", "emissions", "support", "variance", "weight"))


@dataclass(frozen=True, eq=False)
class StaticKnowledge:
    """K concepts, d wide, over the ``symbols`` that a task can answer with."""

    symbols: tuple[str, ...]
    centroids: NDArray[Any]  # (K, d)
    variance: NDArray[Any]  # (K, d)
    weight: NDArray[Any]  # (K,)
    support: NDArray[Any]  # (K,)
    emissions: NDArray[Any]  # (K,)


def is_static(names: Container[str]) -> bool:
    """Whether tensors of these names are those of static concepts."""
    return "concepts/emissions" in names


def to_tensors(knowledge: StaticKnowledge) -> dict[str, NDArray[Any]]:
    """The tensors that carry ``knowledge``."""
    return {
        "concepts/centroids": knowledge.centroids.astype(np.float32),
        "concepts/variance": knowledge.variance.astype(np.float32),
        "concepts/weight": knowledge.weight.astype(np.float32),
        "concepts/support": knowledge.support.astype(np.int32),
        "concepts/emissions": knowledge.emissions.astype(np.int32),
    }


def from_tensors(tensors: Mapping[str, NDArray[Any]], symbols: tuple[str, ...]) -> StaticKnowledge:
    """The typed view, every rule checked; `TensorError` names the first that is broken."""
    _require(set(tensors) == set(NAMES), f"the tensors are {', '.join(NAMES)} and no other")
    centroids, emissions, support, variance, weight = (tensors[each] for each in NAMES)
    floats = all(each.dtype.kind == "f" for each in (centroids, variance, weight))
    _require(floats and emissions.dtype.kind == support.dtype.kind == "i", "emissions and support are whole numbers")
    _require(centroids.ndim == 2 and centroids.shape == variance.shape, "centroids and variance are (K, d)")
    rows = (len(centroids),)
    _require(emissions.shape == support.shape == weight.shape == rows, "emissions, support and weight are (K,)")
    _require(bool((variance >= 0).all()), "no variance is negative")
    _require(bool((support >= LEAST_SUPPORT).all()), f"every concept is supported by {LEAST_SUPPORT} items or more")
    _require(bool((weight > 0).all()) and abs(float(weight.sum()) - 1) < 1e-2, "weights are positive and sum to 1")
    _require(bool(((emissions >= 0) & (emissions < len(symbols))).all()), "emissions name symbols")
    return StaticKnowledge(symbols, centroids, variance, weight, support, emissions)


def _require(holds: bool, rule: str) -> None:
    if not holds:
        raise TensorError(f"not static concepts: {rule}")
