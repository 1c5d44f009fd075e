"""Packets that must not work, or must work for another reason: the controls of every claim about transfer.

Each takes a packet's knowledge and gives knowledge with the same shapes, roles and graph, so that whatever a student
learns from it did not come from the geometry of the concepts.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from m2kt.packet import Manifest, Packet, build_packet, ledger
from m2kt.packet.knowledge import Knowledge, to_tensors

SHARPNESS = 8.0
"""Logit of the one answer that an answers-only concept gives, against 0 for all others."""


def shuffled(knowledge: Knowledge, seed: int) -> Knowledge:
    """The concept vectors dealt out anew among the groundings."""
    order = np.random.default_rng(seed).permutation(len(knowledge.centroids))
    return replace(knowledge, centroids=knowledge.centroids[order])


def random(knowledge: Knowledge, seed: int) -> Knowledge:
    """Gaussian vectors with the mean and spread of the real ones, coordinate by coordinate."""
    real = knowledge.centroids.astype(np.float64)
    drawn = np.random.default_rng(seed).normal(real.mean(0), real.std(0), real.shape)
    return replace(knowledge, centroids=drawn.astype(knowledge.centroids.dtype))


def answers_only(knowledge: Knowledge) -> Knowledge:
    """Groundings and decoded symbols, no geometry: every concept is the unit vector of its answer, every anchor too."""
    count = len(knowledge.anchors)
    units = np.eye(count, dtype=knowledge.centroids.dtype)
    return replace(
        knowledge,
        centroids=(units * SHARPNESS)[decoded(knowledge)].astype(knowledge.centroids.dtype),
        dispersion=np.zeros_like(knowledge.dispersion),
        anchors=units.astype(knowledge.anchors.dtype),
        anchor_bias=np.zeros_like(knowledge.anchor_bias),
    )


def decoded(knowledge: Knowledge) -> NDArray[np.int64]:
    """The anchor with the highest mean logit for every concept, (K,)."""
    logits = knowledge.centroids.astype(np.float64) @ knowledge.anchors.astype(np.float64).T
    answers: NDArray[np.int64] = (logits + knowledge.anchor_bias).argmax(1)
    return answers


def rebuilt(packet: Packet, knowledge: Knowledge, *, name: str | None = None, answers: bool = False) -> Packet:
    """A packet that says the same of itself as ``packet`` (but its ``name``, if one is given) with other knowledge.
    ``answers``: the symbols that its concepts decode to stand in it as labels, and its ledger says so."""
    tensors = dict(to_tensors(knowledge))
    if answers:
        tensors["concepts/answers"] = knowledge.anchor_strings[decoded(knowledge)]
    manifest = packet.manifest
    changed = Manifest.describe(
        kind=manifest.kind,
        name=name or manifest.name,
        version=manifest.version,
        created=manifest.created,
        domain=manifest.domain,
        teacher=manifest.teacher,
        extraction=manifest.extraction,
        licence=manifest.licence,
        tensors=tensors,
        ledger=ledger.measure(tensors, manifest.ledger[ledger.QUERIES]),
        confidence=manifest.confidence,
        coverage=manifest.coverage,
        symbols=manifest.symbols,
        leads=manifest.leads,
    )
    return build_packet(changed, tensors)
