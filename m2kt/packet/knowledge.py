"""The typed view of a `knowledge` packet's tensors.

The abstraction graph (R) is a set of *templates*: one row of *elements* per shape of the teacher's chains. An element
is a fixed text (literal), a free slot, a copy of an earlier element, or a decision of the teacher. A decision names its
class and the elements that fill its role slots; what it decides stands in no tensor of the graph and must be read from
the concepts (C) through an alignment.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m2kt.errors import TensorError

Ints = NDArray[np.int32]
Floats = NDArray[np.floating]
Tensors = Mapping[str, NDArray[Any]]

UNUSED = -1
"""Marks an unused role slot."""


class Element(IntEnum):
    """Kinds of template element (first column of ``graph/elements``)."""

    LITERAL = 0
    SLOT = 1
    COPY = 2
    DECISION = 3


@dataclass(frozen=True)
class Template:
    """One shape of chain. Row e of ``elements`` [E, 4] is (kind, argument, lead string, 1 if the teacher wrote it);
    the argument of a copy is an element of this template, that of a decision a row of ``Knowledge.decisions``."""

    elements: Ints
    support: int

    def __len__(self) -> int:
        return len(self.elements)


@dataclass(frozen=True)
class Knowledge:
    """C, A and R of a packet. K concepts, d teacher width, R role slots, A anchors, S symbol strings, D decisions."""

    symbols: tuple[str, ...]
    leads: tuple[str, ...]
    centroids: Floats  # (K, d)
    dispersion: Floats  # (K,)
    support: Ints  # (K,)
    groundings: Ints  # (K, R) symbol strings, -1 unused
    classes: Ints  # (K,)
    anchors: Floats  # (A, d) the teacher's unembedding rows
    anchor_bias: Floats  # (A,)
    anchor_strings: Ints  # (A,)
    templates: tuple[Template, ...]
    alphabets: NDArray[np.uint8]  # (n, S)
    decisions: Ints  # (D, 1 + R) class, then elements that fill the role slots
    swap: Floats  # (D, L) causal swap evidence by element
    gradient: Floats  # (D, L)
    attention: Floats | None = None  # (D, L)
    choices: Ints | None = None  # (D,) alphabet that a decision must decide within for its template to go on, -1 any
    numbers: NDArray[np.int64] | None = (
        None  # (K,) of the concepts in their packet, where some were left out; None: all
    )

    @property
    def class_count(self) -> int:
        """Number of decision classes."""
        return int(self.decisions[:, 0].max()) + 1 if len(self.decisions) else 0

    def slots_of(self, decision_class: int) -> int:
        """How many role slots the decisions of a class use."""
        rows = self.decisions[self.decisions[:, 0] == decision_class, 1:]
        return int((rows[0] != UNUSED).sum())


def to_tensors(knowledge: Knowledge) -> dict[str, NDArray[Any]]:
    """The tensors that carry ``knowledge`` (docs/packet.md, *Tensors of a knowledge packet*)."""
    tensors: dict[str, NDArray[Any]] = {
        "concepts/centroids": knowledge.centroids,
        "concepts/dispersion": knowledge.dispersion,
        "concepts/support": knowledge.support,
        "concepts/groundings": knowledge.groundings,
        "concepts/classes": knowledge.classes,
        "symbols/embeddings": knowledge.anchors,
        "symbols/strings": knowledge.anchor_strings,
        "graph/templates": _template_table(knowledge.templates),
        "graph/elements": np.concatenate([each.elements for each in knowledge.templates]).astype(np.int32),
        "graph/alphabets": knowledge.alphabets,
        "graph/decisions": knowledge.decisions,
        "saliency/swap": knowledge.swap,
        "saliency/gradient": knowledge.gradient,
    }
    if knowledge.anchor_bias.any():
        tensors["symbols/bias"] = knowledge.anchor_bias
    if knowledge.attention is not None:
        tensors["attention/mean"] = knowledge.attention
    if knowledge.choices is not None:
        tensors["graph/choices"] = knowledge.choices
    return tensors


def _template_table(templates: tuple[Template, ...]) -> Ints:
    lengths = [len(each) for each in templates]
    first = np.cumsum([0, *lengths[:-1]])
    return np.array([*zip(first, lengths, (each.support for each in templates), strict=True)], np.int32)


def from_tensors(tensors: Tensors, symbols: tuple[str, ...], leads: tuple[str, ...]) -> Knowledge:
    """Read the typed view back and check every index in it; `TensorError` names the first that is out of range."""
    get = _Reader(tensors)
    anchors = get.floats("symbols/embeddings", 2)
    knowledge = Knowledge(
        symbols=symbols,
        leads=leads,
        centroids=get.floats("concepts/centroids", 2),
        dispersion=get.floats("concepts/dispersion", 1),
        support=get.ints("concepts/support", 1),
        groundings=get.ints("concepts/groundings", 2),
        classes=get.ints("concepts/classes", 1),
        anchors=anchors,
        anchor_bias=get.floats("symbols/bias", 1) if "symbols/bias" in tensors else np.zeros(len(anchors), np.float32),
        anchor_strings=get.ints("symbols/strings", 1),
        templates=_templates(get.ints("graph/templates", 2), get.ints("graph/elements", 2)),
        alphabets=get.ints("graph/alphabets", 2),
        decisions=get.ints("graph/decisions", 2),
        swap=get.floats("saliency/swap", 2),
        gradient=get.floats("saliency/gradient", 2),
        attention=get.floats("attention/mean", 2) if "attention/mean" in tensors else None,
        choices=get.ints("graph/choices", 1) if "graph/choices" in tensors else None,
    )
    _check(knowledge)
    return knowledge


class _Reader:
    """Gives tensors by name, checked for presence, rank and kind."""

    def __init__(self, tensors: Tensors) -> None:
        self._tensors = tensors

    def floats(self, name: str, rank: int) -> NDArray[Any]:
        """A tensor of floats of that rank."""
        return self._get(name, rank, "f")

    def ints(self, name: str, rank: int) -> NDArray[Any]:
        """A tensor of whole numbers of that rank."""
        return self._get(name, rank, "iu")

    def _get(self, name: str, rank: int, kinds: str) -> NDArray[Any]:
        if name not in self._tensors:
            raise TensorError(f"a knowledge packet needs the tensor {name}")
        tensor = self._tensors[name]
        if tensor.ndim != rank or tensor.dtype.kind not in kinds:
            raise TensorError(f"{name} must have rank {rank} and be {'floats' if kinds == 'f' else 'whole numbers'}")
        return tensor


def _templates(table: NDArray[Any], elements: NDArray[Any]) -> tuple[Template, ...]:
    _require(table.shape[1] == 3 and elements.shape[1] == 4, "graph/templates is [T, 3] and graph/elements is [E, 4]")
    first, lengths = table[:, 0].astype(np.int64), table[:, 1].astype(np.int64)
    contiguous = np.array_equal(first, np.concatenate([[0], np.cumsum(lengths)[:-1]]))
    _require(bool((lengths > 0).all()) and contiguous, "graph/templates must cover graph/elements without gaps")
    _require(int(lengths.sum()) == len(elements), "graph/templates must cover graph/elements")
    return tuple(
        Template(elements[start : start + length].astype(np.int32), int(support))
        for start, length, support in zip(first, lengths, table[:, 2], strict=True)
    )


def _require(holds: bool, rule: str) -> None:
    if not holds:
        raise TensorError(f"not a knowledge packet: {rule}")


def _check(knowledge: Knowledge) -> None:
    _check_decisions(knowledge)
    _check_concepts(knowledge)
    _check_maps(knowledge)
    seen: set[int] = set()
    for template in knowledge.templates:
        _check_template(knowledge, template, seen)
    _require(seen == set(range(len(knowledge.decisions))), "every decision belongs to exactly one template element")


def _check_concepts(knowledge: Knowledge) -> None:
    count = len(knowledge.groundings)
    sizes = {len(each) for each in (knowledge.centroids, knowledge.dispersion, knowledge.support, knowledge.classes)}
    _require(sizes == {count}, "the concepts' tensors have one length")
    _require(_within(knowledge.groundings, UNUSED, len(knowledge.symbols)), "groundings name symbol strings")
    _require(_within(knowledge.classes, 0, knowledge.class_count), "concepts name decision classes that exist")
    _require(bool((knowledge.support >= 1).all()), "support is at least 1")
    width = knowledge.centroids.shape[1]
    _require(knowledge.anchors.shape[1] == width, "anchors and centroids share one width")
    anchors = len(knowledge.anchors)
    _require(len(knowledge.anchor_strings) == anchors == len(knowledge.anchor_bias), "one string and bias per anchor")
    _require(_within(knowledge.anchor_strings, 0, len(knowledge.symbols)), "anchors name symbol strings")
    _require(len(set(knowledge.anchor_strings.tolist())) == anchors, "anchors are distinct")


def _check_maps(knowledge: Knowledge) -> None:
    longest = max(len(each) for each in knowledge.templates)
    shape = (len(knowledge.decisions), longest)
    maps = [knowledge.swap, knowledge.gradient]
    maps += [] if knowledge.attention is None else [knowledge.attention]
    _require(all(each.shape == shape for each in maps), f"saliency and attention maps are {list(shape)}")
    _require(knowledge.alphabets.shape[1] == len(knowledge.symbols), "graph/alphabets is [n, S]")
    if knowledge.choices is not None:
        _require(len(knowledge.choices) == len(knowledge.decisions), "graph/choices has one entry per decision")
        _require(_within(knowledge.choices, UNUSED, len(knowledge.alphabets)), "graph/choices names alphabets")
    _require(bool(knowledge.alphabets.any(axis=1).all()), "no alphabet is empty")


def _check_decisions(knowledge: Knowledge) -> None:
    _require(len(knowledge.decisions) > 0, "there is at least one decision")
    _require(len(knowledge.classes) == len(knowledge.groundings), "every concept has a class")
    bound = len(knowledge.decisions)  # also keeps a huge class number from becoming a huge loop
    slots = knowledge.groundings.shape[1]
    _require(slots >= 1, "a decision has at least one role slot")
    _require(knowledge.decisions.shape[1] == 1 + slots, "graph/decisions is [D, 1 + R] with R of concepts/groundings")
    _require(_within(knowledge.decisions[:, 0], 0, bound), "decision classes are numbered from 0 without gaps")
    for each in range(knowledge.class_count):
        rows = knowledge.decisions[knowledge.decisions[:, 0] == each, 1:]
        used = rows != UNUSED
        _require(len(rows) > 0 and bool((used == used[0]).all()), f"decision class {each} has one set of role slots")
        _require(bool(used[0, 0] and (np.diff(used[0].astype(int)) <= 0).all()), "used role slots come first")
        grounded = knowledge.groundings[knowledge.classes == each] != UNUSED
        _require(bool((grounded == used[0]).all()), f"concepts of class {each} ground its role slots")


def _check_template(knowledge: Knowledge, template: Template, seen: set[int]) -> None:
    limits = {
        Element.LITERAL: len(knowledge.symbols),
        Element.SLOT: len(knowledge.alphabets),
        Element.DECISION: len(knowledge.decisions),
    }
    for position, (kind, argument, lead, written) in enumerate(template.elements.tolist()):
        _require(kind in list(Element) and written in (0, 1), "an element has a known kind and a 0/1 mark")
        limit = position if kind == Element.COPY else limits[Element(kind)]
        _require(0 <= argument < limit, f"the argument of element {position} is in range")
        _require(0 <= lead < len(knowledge.leads), "an element names a lead string")
        if kind == Element.DECISION:
            _require(argument not in seen, "a decision belongs to one element")
            seen.add(argument)
            _require(_within(knowledge.decisions[argument, 1:], UNUSED, position), "roles are earlier elements")


def _within(values: NDArray[Any], low: int, high: int) -> bool:
    """Whether all values lie in low..high-1."""
    return values.size == 0 or bool((values >= low).all() and (values < high).all())
