"""The control packets of the demo, signed with a key that nobody else trusts."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from m2kt.files import write_atomically
from m2kt.packet import controls, read_packet
from m2kt.packet.knowledge import Knowledge, from_tensors
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
        control = controls.rebuilt(
            packet, change(knowledge, seed), name=f"control/{name}", answers=name == "answers-only"
        )
        write_atomically(path, sign_packet(control, key))
        made.append(Control(name, path))
    return made


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
