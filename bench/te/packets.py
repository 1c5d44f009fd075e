"""The packet of a run and its controls, each signed with a key of this run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from m2kt.packet import Manifest, Packet, build_packet, controls, ledger
from m2kt.packet.knowledge import UNUSED, Element, Knowledge, from_tensors, to_tensors
from m2kt.signing import PrivateKey, sign_packet


def noise_anchors(knowledge: Knowledge, seed: int) -> Knowledge:
    """Anchors drawn from a Gaussian with the spread of the real ones: the bridge between the spaces is gone."""
    real = knowledge.anchors.astype(np.float64)
    drawn = np.random.default_rng(seed).normal(real.mean(0), real.std(0), real.shape)
    return replace(knowledge, anchors=drawn.astype(knowledge.anchors.dtype))


def no_roles(knowledge: Knowledge, seed: int) -> Knowledge:
    """R without its bindings: every role slot filled by some earlier element that varies, whichever."""
    rng = np.random.default_rng(seed)
    decisions = knowledge.decisions.copy()
    for template in knowledge.templates:
        for position in np.flatnonzero(template.elements[:, 0] == Element.DECISION):
            row = int(template.elements[position, 1])
            earlier = np.flatnonzero(template.elements[:position, 0] != Element.LITERAL)
            used = np.flatnonzero(decisions[row, 1:] != UNUSED) + 1
            decisions[row, used] = rng.choice(earlier, len(used), replace=len(earlier) < len(used))
    return replace(knowledge, decisions=decisions)


def no_maps(knowledge: Knowledge) -> Knowledge:
    """A is left out."""
    return replace(
        knowledge, swap=np.zeros_like(knowledge.swap), gradient=np.zeros_like(knowledge.gradient), attention=None
    )


def recoverable(knowledge: Knowledge) -> Knowledge:
    """The mean logits that anyone can compute from concepts and anchors, through the same CAL: no teacher space."""
    centroids, anchors = (each.astype(np.float64) for each in (knowledge.centroids, knowledge.anchors))
    logits = centroids @ anchors.T + knowledge.anchor_bias
    kind = knowledge.centroids.dtype
    return replace(
        knowledge,
        centroids=logits.astype(kind),
        anchors=np.eye(len(anchors), dtype=kind),
        anchor_bias=np.zeros_like(knowledge.anchor_bias),
    )


def derangement(knowledge: Knowledge) -> dict[str, str]:
    """Another name for every decided symbol, within the symbols that the same classes of decision bring up."""
    best = controls.decoded(knowledge)
    by_classes: dict[tuple[int, ...], list[int]] = {}
    for anchor in range(len(knowledge.anchors)):
        classes = tuple(np.unique(knowledge.classes[best == anchor]).tolist())
        by_classes.setdefault(classes, []).append(anchor)
    names = [knowledge.symbols[each] for each in knowledge.anchor_strings]
    moved = {}
    for group in by_classes.values():
        for here, there in zip(group, [*group[1:], group[0]], strict=True):
            moved[names[here]] = names[there]
    return moved


def deranged(knowledge: Knowledge) -> Knowledge:
    """The same vectors under the wrong names: a student must obey the packet, not the world."""
    moved = derangement(knowledge)
    number = {symbol: place for place, symbol in enumerate(knowledge.symbols)}
    strings = [number[moved[knowledge.symbols[each]]] for each in knowledge.anchor_strings]
    return replace(knowledge, anchor_strings=np.array(strings, np.int32))


KINDS: Mapping[str, Callable[[Knowledge, int], Knowledge]] = {
    "shuffled": controls.shuffled,
    "random": controls.random,
    "noise-anchors": noise_anchors,
    "no-roles": no_roles,
    "no-maps": lambda knowledge, _: no_maps(knowledge),
    "answers-only": lambda knowledge, _: controls.answers_only(knowledge),
    "recoverable": lambda knowledge, _: recoverable(knowledge),
    "deranged": lambda knowledge, _: deranged(knowledge),
}


def knowledge_of(packet: Packet) -> Knowledge:
    """What travels: after the mantissas were cut."""
    return from_tensors(packet.tensors, packet.manifest.symbols, packet.manifest.leads)


def write_packets(packet: Packet, names: Sequence[str], directory: Path, key: PrivateKey, seed: int) -> dict[str, Path]:
    """The packet as ``packet`` and each control under its name."""
    directory.mkdir(parents=True, exist_ok=True)
    knowledge = knowledge_of(packet)
    made = {"packet": packet, **{name: _rebuilt(packet, KINDS[name](knowledge, seed)) for name in names}}
    paths = {}
    for name, each in made.items():
        paths[name] = directory / f"{name}.m2kt"
        paths[name].write_bytes(sign_packet(each, key))
    return paths


def _rebuilt(packet: Packet, knowledge: Knowledge) -> Packet:
    tensors = dict(to_tensors(knowledge))
    manifest = packet.manifest
    changed = Manifest.describe(
        kind=manifest.kind,
        name=manifest.name,
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


def answers(knowledge: Knowledge) -> NDArray[np.int64]:
    """The symbol string that each concept decodes to, (K,)."""
    return knowledge.anchor_strings[controls.decoded(knowledge)].astype(np.int64)
