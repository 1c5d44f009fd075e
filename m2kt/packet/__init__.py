"""Knowledge packets: their format and identity (docs/packet.md).

Everything here is about structure. A packet that `read_packet` returns is well-formed and agrees with its own manifest,
but **nobody has checked who made it**: `m2kt.signing.verify_packet` does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from m2kt.errors import DigestMismatch
from m2kt.packet import identity
from m2kt.packet import tensors as tensor_format
from m2kt.packet.container import Limits, Parts, unpack
from m2kt.packet.manifest import (
    DomainRef,
    Extraction,
    Manifest,
    PacketId,
    PacketKind,
    Teacher,
    TensorEntry,
)
from m2kt.packet.rules import refuse, rule_of
from m2kt.packet.tensors import Array

__all__ = [
    "Array",
    "DomainRef",
    "Extraction",
    "Limits",
    "Manifest",
    "Packet",
    "PacketId",
    "PacketKind",
    "Parts",
    "Teacher",
    "TensorEntry",
    "build_packet",
    "read_packet",
    "read_parts",
    "rule_of",
]


@dataclass(frozen=True, eq=False)
class Packet:
    """A well-formed packet; its signatures have not been looked at. Equal packets have equal ``packet_id``.

    ``tensors`` are read-only views of ``tensor_bytes``, in name order.
    """

    manifest: Manifest
    tensors: Mapping[str, Array]
    packet_id: PacketId
    manifest_bytes: bytes
    tensor_bytes: bytes | memoryview


def build_packet(manifest: Manifest, tensors: Mapping[str, Array]) -> Packet:
    """A packet of ``tensors``, which must be those that ``manifest`` describes (`Manifest.describe`)."""
    return _read(manifest.to_bytes(), tensor_format.encode(tensors))


def read_packet(data: bytes, limits: Limits | None = None) -> Packet:
    """The packet in a container's bytes. **The signature is not checked**: `m2kt.signing.verify_packet` does that."""
    return read_parts(unpack(data, limits))


def read_parts(parts: Parts) -> Packet:
    """The packet in a container's parts. **The envelope is not looked at.**"""
    return _read(parts.manifest, parts.tensors)


def claim_parts(parts: Parts) -> Packet:
    """The packet that the manifest claims: its tensors have the right names, types and shapes, and finite values. **It
    is none** before `check_claim` has returned."""
    manifest = Manifest.from_bytes(parts.manifest)
    tensors = tensor_format.decode(parts.tensors)
    _check_table(manifest, tensors)
    packet_id = identity.packet_id(parts.manifest, manifest.tensors)
    return Packet(manifest, MappingProxyType(tensors), packet_id, parts.manifest, parts.tensors)


def check_claim(packet: Packet, digests: Mapping[str, str]) -> None:
    """What `claim_parts` leaves open, because it takes longest: the bytes of the tensors are those of the manifest's
    table, and keep to its precision. ``digests``: `tensors.digests` of them, as far as somebody has computed it."""
    for entry in packet.manifest.tensors:
        if (digests.get(entry.name) or tensor_format.digest(packet.tensors[entry.name])) != entry.sha256:
            refuse("table", f"sha256 of {entry.name} is not what the manifest says", DigestMismatch)
    for name, bits in packet.manifest.precision.items():
        tensor_format.check_low_bits(name, packet.tensors[name], bits)


def _read(manifest_bytes: bytes, tensor_bytes: bytes | memoryview) -> Packet:
    packet = claim_parts(Parts(b"", manifest_bytes, tensor_bytes))
    check_claim(packet, {})
    return packet


def _check_table(manifest: Manifest, tensors: Mapping[str, Array]) -> None:
    """The manifest's table and the tensors say the same, in both directions; of the bytes, `check_claim` says it."""
    listed = [entry.name for entry in manifest.tensors]
    if listed != list(tensors):
        odd = sorted(set(listed) ^ set(tensors))
        refuse("table", f"the manifest's table and the tensors differ in {', '.join(odd[:3])}", DigestMismatch)
    for entry in manifest.tensors:
        found = tensors[entry.name]
        for what, value in (("dtype", tensor_format.dtype_code(found)), ("shape", found.shape)):
            if value != getattr(entry, what):
                refuse("table", f"{what} of {entry.name} is not what the manifest says", DigestMismatch)
