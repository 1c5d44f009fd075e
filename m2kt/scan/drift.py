"""A packet against what is trusted more: earlier versions, other teachers of its domain, a policy's canary.

Concepts are the same when their groundings are, as strings: numbers of symbols and classes differ between packets.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from m2kt.packet import Packet
from m2kt.packet.controls import decoded
from m2kt.packet.knowledge import UNUSED, Knowledge

Grounding = tuple[str, ...]


@dataclass(frozen=True)
class Disagreement:
    """A grounding that decodes to something else than it should."""

    grounding: Grounding
    here: str
    there: str

    def __str__(self) -> str:
        return f"{' '.join(self.grounding)} gives {self.here!r}, not {self.there!r}"


def readings(knowledge: Knowledge) -> dict[Grounding, set[str]]:
    """What every grounding decodes to. A set, since two decision classes may share a grounding."""
    answers = knowledge.anchor_strings[decoded(knowledge)].tolist()
    found: dict[Grounding, set[str]] = {}
    for row, answer in enumerate(answers):
        found.setdefault(grounding_of(knowledge, row), set()).add(knowledge.symbols[answer])
    return found


def grounding_of(knowledge: Knowledge, row: int) -> Grounding:
    return tuple(knowledge.symbols[each] for each in knowledge.groundings[row].tolist() if each != UNUSED)


def flipped(here: Mapping[Grounding, set[str]], there: Mapping[Grounding, set[str]]) -> Iterator[Disagreement]:
    """Groundings of both packets that decode to different symbols."""
    for grounding in sorted(here.keys() & there.keys()):
        if here[grounding] != there[grounding]:
            yield Disagreement(grounding, "/".join(sorted(here[grounding])), "/".join(sorted(there[grounding])))


def canary_flips(
    here: Mapping[Grounding, set[str]], canary: tuple[tuple[Grounding, str], ...]
) -> Iterator[Disagreement]:
    """Canary entries that the packet speaks of and gets wrong."""
    for grounding, answer in canary:
        if grounding in here and here[grounding] != {answer}:
            yield Disagreement(grounding, "/".join(sorted(here[grounding])), answer)


def moved(here: Knowledge, there: Knowledge, cosine: float) -> list[tuple[Grounding, float]]:
    """Groundings whose concepts, of the same weights, point elsewhere than before: cosine below ``cosine``."""
    rows = {(grounding_of(there, row), int(there.classes[row])): row for row in range(len(there.classes))}
    pairs = [
        (row, rows[key])
        for row in range(len(here.classes))
        if (key := (grounding_of(here, row), int(here.classes[row]))) in rows
    ]
    if not pairs or here.centroids.shape[1] != there.centroids.shape[1]:
        return []
    ours, theirs = (np.array(column) for column in zip(*pairs, strict=True))
    a = here.centroids[ours].astype(np.float64)
    b = there.centroids[theirs].astype(np.float64)
    cosines = (a * b).sum(1) / np.maximum(np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1), 1e-12)
    return [(grounding_of(here, int(ours[n])), float(cosines[n])) for n in np.flatnonzero(cosines < cosine)]


def same_weights(one: Packet, other: Packet) -> bool:
    return one.manifest.teacher.weights_sha256 == other.manifest.teacher.weights_sha256


def same_domain(one: Packet, other: Packet) -> bool:
    return one.manifest.domain == other.manifest.domain
