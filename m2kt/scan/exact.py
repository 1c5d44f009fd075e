"""Exact checks: what they stop at is wrong by the format's own rules, or by a number that no honest packet nears.

They say nothing about who made the packet (`m2kt.signing.verify_packet` does), nor whether what it teaches is true.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m2kt.errors import PacketError
from m2kt.packet import Packet, TensorEntry, identity, ledger
from m2kt.packet.tensors import MANTISSA_BITS, check_low_bits
from m2kt.scan.check import Subject
from m2kt.scan.policy import Thresholds
from m2kt.scan.verdict import Finding, Weight


def digests(subject: Subject) -> Iterator[Finding]:
    """The manifest's digests and the packet's id, computed anew from the tensors."""
    packet = subject.packet
    for entry in packet.manifest.tensors:
        if TensorEntry.of(entry.name, packet.tensors[entry.name]) != entry:
            yield Finding(entry.name, "its bytes are not what the manifest says")
    if identity.packet_id(packet.manifest_bytes, packet.manifest.tensors) != packet.packet_id:
        yield Finding("packet_id", "it is not the Merkle root of the packet")


def finite(subject: Subject) -> Iterator[Finding]:
    """No NaN and no infinity in any float tensor."""
    for name, tensor in _floats(subject.packet):
        odd = int((~np.isfinite(tensor)).sum())
        if odd:
            yield Finding(name, f"{odd} values are NaN or infinite")


def norms(subject: Subject) -> Iterator[Finding]:
    """Embeddings without zero rows and without rows that would drown the others."""
    for name, tensor in _floats(subject.packet):
        if tensor.ndim == 2 and name.split("/")[0] in ("concepts", "symbols", "anchors"):
            yield from _odd_rows(name, np.linalg.norm(tensor.astype(np.float64), axis=1), subject.policy.thresholds)


def _odd_rows(name: str, lengths: NDArray[np.float64], limits: Thresholds) -> Iterator[Finding]:
    zero = np.flatnonzero(lengths == 0)
    if len(zero):
        yield Finding(name, f"{len(zero)} rows are zero ({_some(zero, limits)})")
    median = float(np.median(lengths))
    huge = np.flatnonzero(lengths > limits.largest_ratio * median)
    if len(huge):
        yield Finding(name, f"{len(huge)} rows are over {limits.largest_ratio:g} medians long ({_some(huge, limits)})")
    # 1.4826 MADs are one standard deviation of normal data; the floor keeps equal norms from having no spread at all.
    spread = max(1.4826 * float(np.median(np.abs(lengths - median))), 1e-3 * median)
    far = np.flatnonzero(np.abs(lengths - median) > limits.outlier_deviations * spread)
    if len(far):  # of a handful of rows one is easily far from the others' median
        weight = Weight.SUSPICION if len(lengths) >= limits.least_rows else Weight.NOTE
        yield Finding(name, f"{len(far)} of {len(lengths)} norms are outliers ({_some(far, limits)})", weight)


def _some(rows: NDArray[np.intp], limits: Thresholds) -> str:
    shown = ", ".join(map(str, rows[: limits.reported]))
    return f"rows {shown}{', ...' if len(rows) > limits.reported else ''}"


def references(subject: Subject) -> Iterator[Finding]:
    """Every index in the tensors points at something."""
    try:
        _ = subject.mixture if subject.static else subject.knowledge
    except PacketError as error:
        yield Finding("tensors", error.detail)


def moved(subject: Subject) -> Iterator[Finding]:
    """The manifest's ledger is what the tensors hold."""
    packet = subject.packet
    said, found = dict(packet.manifest.ledger), dict(ledger.compute(packet))
    for entry in sorted(said.keys() | found.keys()):
        if said.get(entry) != found.get(entry):
            yield Finding(
                f"ledger.{entry}", f"the manifest says {said.get(entry)}, the tensors hold {found.get(entry)}"
            )


def precision(subject: Subject) -> Iterator[Finding]:
    """No bit is set below the declared precision, so what could be hidden there is bounded and stated."""
    packet = subject.packet
    for name, bits in packet.manifest.precision.items():
        try:
            check_low_bits(name, packet.tensors[name], bits)
        except PacketError as error:
            yield Finding(name, error.detail)
    yield from _wide(subject)
    yield Finding("mantissas", _capacity(packet), Weight.NOTE)


def _wide(subject: Subject) -> Iterator[Finding]:
    """Precision past what the policy lets through unseen: low bits of honest values look like any other secret."""
    most = subject.policy.thresholds.most_mantissa_bits
    for name, bits in subject.packet.manifest.precision.items():
        if bits > most:
            yield Finding(name, f"declares {bits} mantissa bits; the policy takes {most} unseen", Weight.SUSPICION)


def _capacity(packet: Packet) -> str:
    """What could still be hidden: every declared mantissa bit of every value, if the values need not teach anything."""
    declared = sum(bits * packet.tensors[name].size for name, bits in packet.manifest.precision.items())
    floats = [each for each in packet.manifest.tensors if each.dtype in MANTISSA_BITS]
    stored = sum(MANTISSA_BITS[each.dtype] * packet.tensors[each.name].size for each in floats)
    return f"{declared} of {stored} stored bits are declared: at most {declared // 8} bytes could be hidden in them"


def values(subject: Subject) -> Iterator[Finding]:
    """Few subnormal values: they are rare in honest tensors, slow to compute with, and vanish where flushed."""
    most = subject.policy.thresholds.denormal_share
    for name, tensor in _floats(subject.packet):
        magnitude = np.abs(tensor)
        nonzero = int(np.count_nonzero(magnitude))
        odd = int(np.count_nonzero((magnitude > 0) & (magnitude < np.finfo(tensor.dtype).smallest_normal)))
        if odd > most * max(nonzero, 1):
            yield Finding(name, f"{odd} of {nonzero} values are subnormal", Weight.SUSPICION)


def _floats(packet: Packet) -> Iterator[tuple[str, NDArray[Any]]]:
    return ((name, each) for name, each in packet.tensors.items() if each.dtype.kind == "f")
