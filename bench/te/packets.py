"""The packet of a run and its controls, each signed with a key of this run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.te.bindings import no_roles
from bench.te.settings import DRAWN
from m2kt.packet import Packet, controls
from m2kt.packet.knowledge import Knowledge, from_tensors
from m2kt.signing import PrivateKey, sign_packet

APART = 1000
"""Between the seeds of two draws of a control, beyond those of runs."""


def noise_anchors(knowledge: Knowledge, seed: int) -> Knowledge:
    """Anchors drawn from a Gaussian with the spread of the real ones: the bridge between the spaces is gone."""
    real = knowledge.anchors.astype(np.float64)
    drawn = np.random.default_rng(seed).normal(real.mean(0), real.std(0), real.shape)
    return replace(knowledge, anchors=drawn.astype(knowledge.anchors.dtype))


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
    "bag": lambda knowledge, _: knowledge,
    "bag-shuffled": controls.shuffled,
    "no-maps": lambda knowledge, _: no_maps(knowledge),
    "answers-only": lambda knowledge, _: controls.answers_only(knowledge),
    "recoverable": lambda knowledge, _: recoverable(knowledge),
    "deranged": lambda knowledge, _: deranged(knowledge),
}


def knowledge_of(packet: Packet) -> Knowledge:
    """What travels: after the mantissas were cut."""
    return from_tensors(packet.tensors, packet.manifest.symbols, packet.manifest.leads)


def with_controls(packet: Packet, names: Sequence[str], seed: int, draws: int = 1) -> dict[str, Packet]:
    """The packet as ``packet`` and each control under its name; several of those in `DRAWN` (``shuffled-2``)."""
    knowledge = knowledge_of(packet)
    found = {"packet": packet}
    for name in names:
        for draw in range(draws if name in DRAWN else 1):
            changed = KINDS[name](knowledge, seed + APART * draw)
            found[named(name, draw)] = controls.rebuilt(packet, changed)
    return found


def named(name: str, draw: int) -> str:
    """How a draw of a control is called."""
    return f"{name}-{draw + 1}" if draw else name


def write_packets(packets: Mapping[str, Packet], directory: Path, key: PrivateKey) -> dict[str, Path]:
    """Signed files by name."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = {name: directory / f"{name}.m2kt" for name in packets}
    for name, path in paths.items():
        path.write_bytes(sign_packet(packets[name], key))
    return paths
