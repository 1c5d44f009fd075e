"""The checks: small pure functions over a packet that could be read. Each yields what it stopped at.

They say nothing about who made the packet (`m2kt.signing.verify_packet` does), nor whether what it teaches is true.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m2kt.errors import PacketError
from m2kt.packet import Packet, PacketKind, TensorEntry, identity, knowledge, ledger
from m2kt.packet.tensors import MANTISSA_BITS, check_low_bits
from m2kt.scan.exchange import exchanged
from m2kt.scan.verdict import Finding

Run = Callable[[Packet, "Policy"], Iterator[Finding]]


@dataclass(frozen=True)
class Policy:
    """Every number that a verdict hangs on."""

    outlier_deviations: float = 12.0
    """A row whose norm is further from the median than this many (scaled) MADs is reported."""
    largest_ratio: float = 1000.0
    """A row whose norm is this many medians is refused: it would drown every other row in a least-squares fit."""
    reported: int = 5
    """Rows of one tensor named in the evidence."""


@dataclass(frozen=True)
class Check:
    """A named check; its version changes whenever its verdict on some packet might."""

    name: str
    version: str
    run: Run
    kinds: frozenset[PacketKind] = frozenset(PacketKind)


def digests(packet: Packet, policy: Policy) -> Iterator[Finding]:
    """The manifest's digests and the packet's id, computed anew from the tensors."""
    for entry in packet.manifest.tensors:
        if TensorEntry.of(entry.name, packet.tensors[entry.name]) != entry:
            yield Finding(entry.name, "its bytes are not what the manifest says")
    if identity.packet_id(packet.manifest_bytes, packet.manifest.tensors) != packet.packet_id:
        yield Finding("packet_id", "it is not the Merkle root of the packet")


def finite(packet: Packet, policy: Policy) -> Iterator[Finding]:
    """No NaN and no infinity in any float tensor."""
    for name, tensor in _floats(packet):
        odd = int((~np.isfinite(tensor)).sum())
        if odd:
            yield Finding(name, f"{odd} values are NaN or infinite")


def norms(packet: Packet, policy: Policy) -> Iterator[Finding]:
    """Embeddings without zero rows and without rows that would drown the others."""
    for name, tensor in _floats(packet):
        if tensor.ndim == 2 and name.split("/")[0] in ("concepts", "symbols", "anchors"):
            yield from _odd_rows(name, np.linalg.norm(tensor.astype(np.float64), axis=1), policy)


def _odd_rows(name: str, lengths: NDArray[np.float64], policy: Policy) -> Iterator[Finding]:
    zero = np.flatnonzero(lengths == 0)
    if len(zero):
        yield Finding(name, f"{len(zero)} rows are zero ({_some(zero, policy)})")
    median = float(np.median(lengths))
    huge = np.flatnonzero(lengths > policy.largest_ratio * median)
    if len(huge):
        yield Finding(name, f"{len(huge)} rows are over {policy.largest_ratio:g} medians long ({_some(huge, policy)})")
    # 1.4826 MADs are one standard deviation of normal data; the floor keeps equal norms from having no spread at all.
    spread = max(1.4826 * float(np.median(np.abs(lengths - median))), 1e-3 * median)
    far = np.flatnonzero(np.abs(lengths - median) > policy.outlier_deviations * spread)
    if len(far):
        yield Finding(name, f"{len(far)} of {len(lengths)} norms are outliers ({_some(far, policy)})", note=True)


def _some(rows: NDArray[np.intp], policy: Policy) -> str:
    shown = ", ".join(map(str, rows[: policy.reported]))
    return f"rows {shown}{', ...' if len(rows) > policy.reported else ''}"


def references(packet: Packet, policy: Policy) -> Iterator[Finding]:
    """Every index in the tensors points at something."""
    try:
        knowledge.from_tensors(packet.tensors, packet.manifest.symbols, packet.manifest.leads)
    except PacketError as error:
        yield Finding("tensors", error.detail)


def moved(packet: Packet, policy: Policy) -> Iterator[Finding]:
    """The manifest's ledger is what the tensors hold."""
    said, found = dict(packet.manifest.ledger), dict(ledger.compute(packet))
    for entry in sorted(said.keys() | found.keys()):
        if said.get(entry) != found.get(entry):
            yield Finding(
                f"ledger.{entry}", f"the manifest says {said.get(entry)}, the tensors hold {found.get(entry)}"
            )


def precision(packet: Packet, policy: Policy) -> Iterator[Finding]:
    """No bit is set below the declared precision, so what could be hidden there is bounded and stated."""
    for name, bits in packet.manifest.precision.items():
        try:
            check_low_bits(name, packet.tensors[name], bits)
        except PacketError as error:
            yield Finding(name, error.detail)
    declared = sum(bits * packet.tensors[name].size for name, bits in packet.manifest.precision.items())
    stored = sum(MANTISSA_BITS[entry.dtype] * packet.tensors[entry.name].size for entry in packet.manifest.tensors
                 if entry.dtype in MANTISSA_BITS)  # fmt: skip
    yield Finding("mantissas", f"{declared} of {stored} stored bits are declared", note=True)


def _floats(packet: Packet) -> Iterator[tuple[str, NDArray[Any]]]:
    return ((name, each) for name, each in packet.tensors.items() if each.dtype.kind == "f")


_KNOWLEDGE = frozenset({PacketKind.KNOWLEDGE, PacketKind.AGGREGATE})

CHECKS = (
    Check("digests", "1", digests),
    Check("finite", "1", finite),
    Check("norms", "1", norms),
    Check("references", "2", references, _KNOWLEDGE),
    Check("ledger", "2", moved, _KNOWLEDGE),
    Check("precision", "1", precision),
    Check("exchange", "1", exchanged, frozenset({PacketKind.EXCHANGE})),
)
"""In order of running. ``structure`` comes before them: it makes the packet that they look at."""
