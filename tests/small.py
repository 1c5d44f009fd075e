"""A knowledge packet small enough to read: addition modulo 3 with the digits 0, 1, 2."""

import numpy as np

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


def small_packet(version: str = "1.0.0", name: str = "tests/addition", **tensors: np.ndarray) -> Packet:
    """The packet of `small_knowledge`, with further or other tensors when given (``section__name``)."""
    knowledge = small_knowledge()
    all_tensors = {**to_tensors(knowledge), **{key.replace("__", "/"): value for key, value in tensors.items()}}
    digest = "sha256:" + "0" * 64
    manifest = Manifest.describe(
        kind=PacketKind.KNOWLEDGE,
        name=name,
        version=version,
        created="2026-01-01T00:00:00Z",
        domain=DomainRef("addition", "1.0.0"),
        teacher=Teacher("tiny", "llama", "llama", 1000, digest, digest),
        extraction=Extraction("attribution", {"probes": 54}, 1),
        licence="Apache-2.0",
        ledger=packet_ledger.measure(all_tensors, 100),
        symbols=knowledge.symbols,
        leads=knowledge.leads,
        tensors=all_tensors,
    )
    return build_packet(manifest, all_tensors)


