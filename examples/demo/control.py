"""The control packets of the demo, signed with a key that nobody else trusts."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from m2kt.files import write_atomically
from m2kt.packet import Manifest, Packet, build_packet, controls, ledger, read_packet
from m2kt.packet.knowledge import Knowledge, from_tensors, to_tensors
from m2kt.signing import PrivateKey, sign_packet

KINDS: dict[str, Callable[[Knowledge, int], Knowledge]] = {
    "shuffled": controls.shuffled,
    "random": controls.random,
    "answers-only": lambda knowledge, seed: controls.answers_only(knowledge),
}


@dataclass(frozen=True)
class Control:
    """One control packet on disk."""

    name: str
    path: Path


def write_controls(source: Path, directory: Path, key: PrivateKey, seed: int) -> list[Control]:
    """Make every control of the packet in ``source``."""
    packet = read_packet(source.read_bytes())
    knowledge = from_tensors(packet.tensors, packet.manifest.symbols, packet.manifest.leads)
    made = []
    for name, change in KINDS.items():
        path = directory / f"{name}.m2kt"
        write_atomically(path, sign_packet(_rebuilt(packet, name, change(knowledge, seed)), key))
        made.append(Control(name, path))
    return made


def _rebuilt(packet: Packet, name: str, knowledge: Knowledge) -> Packet:
    """A packet of ``knowledge`` with everything else as in ``packet``; answers are labels, and the ledger says so."""
    tensors = dict(to_tensors(knowledge))
    if name == "answers-only":
        tensors["concepts/answers"] = knowledge.anchor_strings[controls.decoded(knowledge)]
    manifest = packet.manifest
    changed = Manifest.describe(
        kind=manifest.kind,
        name=f"control/{name}",
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


def concept_maps(source: Path, memory: Path) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Concepts on their two main axes before and after alignment, (K, 2) each, and the symbol each decodes to, (K,)."""
    from safetensors.numpy import load

    packet = read_packet(source.read_bytes())
    knowledge = from_tensors(packet.tensors, packet.manifest.symbols, packet.manifest.leads)
    values = load((memory / "memory.safetensors").read_bytes())["values"]
    return _two_axes(knowledge.centroids), _two_axes(values), controls.decoded(knowledge)


def _two_axes(rows: NDArray[np.floating]) -> NDArray[np.float64]:
    """Principal components 1 and 2 (no seed: a singular value decomposition has one answer)."""
    centered = rows.astype(np.float64) - rows.astype(np.float64).mean(0)
    left, scale, _ = np.linalg.svd(centered, full_matrices=False)
    axes: NDArray[np.float64] = left[:, :2] * scale[:2]
    return axes
