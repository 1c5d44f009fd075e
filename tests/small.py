"""Knowledge packets small enough to read: addition modulo 3 with the digits 0, 1, 2, and its relatives."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from m2kt.packet import DomainRef, Extraction, Manifest, Packet, PacketKind, Teacher, build_packet
from m2kt.packet import ledger as packet_ledger
from m2kt.packet.knowledge import Element, Knowledge, Template, to_tensors

SYMBOLS = ("0", "1", "2", "+", "=")
LEADS = ("", " ")
WIDTH = 8


def small_knowledge(seed: int = 0) -> Knowledge:
    """One template ``a + b = c`` and one concept for every pair, whose logits on the anchors say (a + b) % 3."""
    rng = np.random.default_rng(seed)
    anchors = rng.normal(size=(3, WIDTH))
    pairs = [(a, b) for a in range(3) for b in range(3)]
    inverse = np.linalg.pinv(anchors)  # (d, A)
    centroids = np.stack([inverse @ (4.0 * np.eye(3)[(a + b) % 3]) for a, b in pairs])
    elements = [
        (Element.SLOT, 0, 0, 0),
        (Element.LITERAL, 3, 1, 0),
        (Element.SLOT, 0, 1, 0),
        (Element.LITERAL, 4, 1, 0),
        (Element.DECISION, 0, 1, 1),
    ]
    return Knowledge(
        symbols=SYMBOLS,
        leads=LEADS,
        centroids=centroids.astype(np.float16),
        dispersion=np.full(9, 0.1, np.float32),
        support=np.full(9, 6, np.int32),
        groundings=np.array(pairs, np.int32),
        classes=np.zeros(9, np.int32),
        anchors=anchors.astype(np.float16),
        anchor_bias=np.zeros(3, np.float32),
        anchor_strings=np.arange(3, dtype=np.int32),
        templates=(Template(np.array(elements, np.int32), 54),),
        alphabets=np.array([[1, 1, 1, 0, 0]], np.uint8),
        decisions=np.array([[0, 0, 2]], np.int32),
        swap=np.array([[0.7, 0, 0.6, 0, 0]], np.float16),
        gradient=np.array([[0.4, 0.1, 0.4, 0.1, 0]], np.float16),
        attention=np.array([[0.4, 0.1, 0.4, 0.1, 0]], np.float16),
    )


def negated_knowledge() -> Knowledge:
    """Two classes, the second with one role slot: ``a + b = c ; - c = d`` with d = -c modulo 3."""
    small = small_knowledge()
    negated = _vectors(small.anchors.astype(np.float64), [0, 2, 1])
    elements = [
        *small.templates[0].elements.tolist(),
        (Element.LITERAL, 5, 1, 1),
        (Element.LITERAL, 6, 1, 1),
        (Element.COPY, 4, 1, 1),
        (Element.LITERAL, 4, 1, 1),
        (Element.DECISION, 1, 1, 1),
    ]
    return replace(
        small,
        symbols=(*SYMBOLS, ";", "-"),
        centroids=np.concatenate([small.centroids, negated.astype(np.float16)]),
        dispersion=np.full(12, 0.1, np.float32),
        support=np.full(12, 6, np.int32),
        groundings=np.array([*small.groundings.tolist(), [0, -1], [1, -1], [2, -1]], np.int32),
        classes=np.array([0] * 9 + [1] * 3, np.int32),
        templates=(Template(np.array(elements, np.int32), 54),),
        alphabets=np.array([[1, 1, 1, 0, 0, 0, 0]], np.uint8),
        decisions=np.array([[0, 0, 2], [1, 7, -1]], np.int32),
        swap=np.zeros((2, 10), np.float16),
        gradient=np.zeros((2, 10), np.float16),
        attention=None,
    )


def next_knowledge(words: Sequence[str] = ("p", "q", "r"), mark: str = ">") -> Knowledge:
    """One template ``p > q``: after every word comes the next, after the last the first."""
    count = len(words)
    width = max(WIDTH, count)
    anchors = np.random.default_rng(1).normal(size=(count, width))
    elements = [(Element.SLOT, 0, 0, 0), (Element.LITERAL, count, 1, 0), (Element.DECISION, 0, 1, 1)]
    return Knowledge(
        symbols=(*words, mark),
        leads=LEADS,
        centroids=_vectors(anchors, [(n + 1) % count for n in range(count)]).astype(np.float16),
        dispersion=np.full(count, 0.1, np.float32),
        support=np.full(count, 6, np.int32),
        groundings=np.arange(count, dtype=np.int32)[:, None],
        classes=np.zeros(count, np.int32),
        anchors=anchors.astype(np.float16),
        anchor_bias=np.zeros(count, np.float32),
        anchor_strings=np.arange(count, dtype=np.int32),
        templates=(Template(np.array(elements, np.int32), 20),),
        alphabets=np.array([[1] * count + [0]], np.uint8),
        decisions=np.array([[0, 0]], np.int32),
        swap=np.array([[0.7, 0, 0]], np.float16),
        gradient=np.array([[0.7, 0.3, 0]], np.float16),
    )


def _vectors(anchors: NDArray[np.float64], answers: Sequence[int]) -> NDArray[np.float64]:
    """One vector per answer, (K, d), whose logits on the anchors are 4 at the answer and 0 elsewhere."""
    logits = 4.0 * np.eye(len(anchors))[list(answers)]
    vectors: NDArray[np.float64] = logits @ np.linalg.pinv(anchors).T
    return vectors


def small_packet(version: str = "1.0.0", name: str = "tests/addition", **tensors: np.ndarray) -> Packet:
    """The packet of `small_knowledge`, with further or other tensors when given (``section__name``)."""
    planted = {key.replace("__", "/"): value for key, value in tensors.items()}
    return packet_of(small_knowledge(), version, name, planted)


def packet_of(
    knowledge: Knowledge,
    version: str = "1.0.0",
    name: str = "tests/addition",
    planted: Mapping[str, np.ndarray] | None = None,
    lies: Mapping[str, int] | None = None,
    kind: PacketKind = PacketKind.KNOWLEDGE,
) -> Packet:
    """The packet of ``knowledge``, with tensors ``planted`` in it and ``lies`` in its ledger."""
    tensors = {**to_tensors(knowledge), **(planted or {})}
    digest = "sha256:" + "0" * 64
    manifest = Manifest.describe(
        kind=kind,
        name=name,
        version=version,
        created="2026-01-01T00:00:00Z",
        domain=DomainRef("addition", "1.0.0"),
        teacher=Teacher("tiny", "llama", "llama", 1000, digest, digest),
        extraction=Extraction("attribution", {"probes": 54}, 1),
        licence="Apache-2.0",
        ledger={**packet_ledger.measure(tensors, 100), **(lies or {})},
        symbols=knowledge.symbols,
        leads=knowledge.leads,
        tensors=tensors,
    )
    return build_packet(manifest, tensors)
