"""The packet of a run and its controls, each signed with a key of this run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from m2kt.packet import Packet, controls
from m2kt.packet.knowledge import UNUSED, Element, Knowledge, Template, from_tensors
from m2kt.signing import PrivateKey, sign_packet


def noise_anchors(knowledge: Knowledge, seed: int) -> Knowledge:
    """Anchors drawn from a Gaussian with the spread of the real ones: the bridge between the spaces is gone."""
    real = knowledge.anchors.astype(np.float64)
    drawn = np.random.default_rng(seed).normal(real.mean(0), real.std(0), real.shape)
    return replace(knowledge, anchors=drawn.astype(knowledge.anchors.dtype))


def no_roles(knowledge: Knowledge, seed: int) -> Knowledge:
    """R without its bindings: in every role slot another earlier element that could stand there, neither the true one
    nor a copy of it. Where there is none, the roles change places among themselves."""
    rng = np.random.default_rng(seed)
    decisions, said = knowledge.decisions.copy(), answers(knowledge)
    for template in knowledge.templates:
        roots = _roots(template)
        holds = [_held(knowledge, template.elements[root].tolist(), said) for root in roots]
        for position in np.flatnonzero(template.elements[:, 0] == Element.DECISION):
            row = decisions[template.elements[position, 1]]
            used = row[1:][row[1:] != UNUSED]
            true = {roots[each] for each in used}
            free = [each for each in range(position) if roots[each] not in true]
            row[1 : 1 + len(used)] = np.roll(used, 1)
            for slot in range(len(used)):
                fits = set(knowledge.groundings[knowledge.classes == row[0], slot].tolist())
                if fitting := [each for each in free if holds[each] & fits]:
                    row[1 + slot] = rng.choice(fitting)
    return replace(knowledge, decisions=decisions)


def _roots(template: Template) -> list[int]:
    """The element that each one is a copy of; itself where it is none."""
    roots: list[int] = []
    for place, (kind, argument, _, _) in enumerate(template.elements.tolist()):
        roots.append(roots[argument] if kind == Element.COPY else place)
    return roots


def _held(knowledge: Knowledge, element: Sequence[int], said: NDArray[np.int64]) -> set[int]:
    """Symbols that an element which is no copy may hold; none where it does not vary."""
    kind, argument, _, _ = element
    if kind == Element.SLOT:
        return set(np.flatnonzero(knowledge.alphabets[argument]).tolist())
    if kind == Element.DECISION:
        return set(said[knowledge.classes == knowledge.decisions[argument, 0]].tolist())
    return set()


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


def with_controls(packet: Packet, names: Sequence[str], seed: int) -> dict[str, Packet]:
    """The packet as ``packet`` and each control under its name."""
    knowledge = knowledge_of(packet)
    return {"packet": packet, **{name: controls.rebuilt(packet, KINDS[name](knowledge, seed)) for name in names}}


def write_packets(packets: Mapping[str, Packet], directory: Path, key: PrivateKey) -> dict[str, Path]:
    """Signed files by name."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = {name: directory / f"{name}.m2kt" for name in packets}
    for name, path in paths.items():
        path.write_bytes(sign_packet(packets[name], key))
    return paths


def answers(knowledge: Knowledge) -> NDArray[np.int64]:
    """The symbol string that each concept decodes to, (K,)."""
    return knowledge.anchor_strings[controls.decoded(knowledge)].astype(np.int64)
