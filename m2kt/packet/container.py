"""The file `.m2kt`: magic, then envelope, manifest and tensors, each behind its length (docs/packet.md)."""

from dataclasses import dataclass

from m2kt.errors import ContainerError, TooLarge
from m2kt.packet.manifest import MAX_MANIFEST_BYTES
from m2kt.packet.rules import refuse

MAGIC = b"\x89M2KT\r\n\x01"
"""Like PNG's: a byte above 127 and CR LF show transfers that mangle text; the last byte is the format's version."""

_LENGTH = 8  # u64, little-endian


@dataclass(frozen=True)
class Limits:
    """What a reader accepts, in bytes."""

    max_packet_bytes: int = 64 * 2**20
    max_envelope_bytes: int = 8 * 2**20
    max_manifest_bytes: int = MAX_MANIFEST_BYTES


@dataclass(frozen=True)
class Parts:
    """The three parts of a container, as stored. The tensors may be a view of a larger buffer: they can be large."""

    envelope: bytes
    manifest: bytes
    tensors: bytes | memoryview


def pack(parts: Parts) -> bytes:
    """The container of ``parts``, none of which may be empty."""
    chunks = [MAGIC]
    for name, part in vars(parts).items():
        if not part:
            refuse("empty-part", f"the {name} must not be empty", ContainerError)
        chunks += [len(part).to_bytes(_LENGTH, "little"), part]
    return b"".join(chunks)


def unpack(data: bytes | bytearray, limits: Limits | None = None) -> Parts:
    """The parts of a container; refuses truncation, trailing bytes and, before it copies anything, lengths past
    ``limits`` (`TooLarge`). It looks at lengths only, and the tensors are a view of ``data``."""
    limits = limits or Limits()
    if len(data) > limits.max_packet_bytes:
        refuse("packet-size", f"the packet has {len(data)} bytes, the limit is {limits.max_packet_bytes}", TooLarge)
    if not data.startswith(MAGIC):
        refuse("magic", "these bytes are not an M2KT packet: they do not start with its magic", ContainerError)
    view = memoryview(data).toreadonly()
    envelope, offset = _part(view, len(MAGIC), "envelope", limits.max_envelope_bytes)
    manifest, offset = _part(view, offset, "manifest", limits.max_manifest_bytes)
    tensors, offset = _part(view, offset, "tensors", limits.max_packet_bytes)
    if offset != len(data):
        refuse("trailing", f"{len(data) - offset} bytes follow the tensors", ContainerError)
    return Parts(bytes(envelope), bytes(manifest), tensors)


def _part(data: memoryview, offset: int, name: str, limit: int) -> tuple[memoryview, int]:
    """The part that begins with its length at ``offset``, and where the next one begins."""
    start = offset + _LENGTH
    length = int.from_bytes(data[offset:start], "little")
    if start > len(data):
        refuse("truncated", f"the container ends before the length of its {name}", ContainerError)
    if length > limit:
        refuse("part-size", f"the {name} claims {length} bytes, the limit is {limit}", TooLarge)
    if length == 0:
        refuse("empty-part", f"the {name} is empty", ContainerError)
    if start + length > len(data):
        refuse("truncated", f"the {name} claims {length} bytes, {len(data) - start} are there", ContainerError)
    return data[start : start + length], start + length
