"""Vectors of the container: magic, lengths, nothing missing and nothing more."""

from collections.abc import Iterator

from bench.forge import MAGIC, container
from tests.m2kt.vectors.corpus import OWNED, Must, Vector

MIB = 2**20


def lying(part: int, length: int) -> bytes:
    """The packet with one part's length replaced."""
    data, offset = bytearray(OWNED.to_bytes()), 8
    for each in OWNED.parts[:part]:
        offset += 8 + len(each)
    data[offset : offset + 8] = length.to_bytes(8, "little")
    return bytes(data)


def vectors() -> Iterator[Vector]:
    """Refused as ``container-invalid`` or ``too-large``."""
    must, large = Must("container", "container-invalid"), Must("container", "too-large")
    data, (envelope, manifest, tensors) = OWNED.to_bytes(), OWNED.parts
    yield must.refuse("magic", "empty-file", b"")
    yield must.refuse("magic", "half-a-magic", MAGIC[:4])
    yield must.refuse("magic", "version-2", MAGIC[:7] + b"\2" + data[8:])
    yield must.refuse("magic", "line-ends-mangled", data.replace(b"\r\n", b"\n", 1))
    yield must.refuse("magic", "byte-before", b"\0" + data)
    yield must.refuse("magic", "bare-safetensors", tensors)
    yield must.refuse("truncated", "magic-only", MAGIC)
    yield must.refuse("truncated", "half-a-length", data[:12])
    yield must.refuse("truncated", "no-tensors", container(envelope, manifest))
    yield must.refuse("truncated", "last-byte-missing", data[:-1])
    yield must.refuse("truncated", "length-one-too-high", lying(2, len(tensors) + 1))
    yield must.refuse("truncated", "length-swallows-next", lying(0, len(data)))
    yield large.refuse("part-size", "envelope-claims-all", lying(0, 2**64 - 1))
    yield large.refuse("part-size", "envelope-past-limit", lying(0, 8 * MIB + 1))
    yield large.refuse("part-size", "manifest-past-limit", lying(1, 4 * MIB + 1))
    yield large.refuse("part-size", "tensors-past-limit", lying(2, 64 * MIB + 1))
    yield must.refuse("empty-part", "no-envelope", container(b"", manifest, tensors))
    yield must.refuse("empty-part", "no-manifest", container(envelope, b"", tensors))
    yield must.refuse("empty-part", "empty-tensors", container(envelope, manifest, b""))
    yield must.refuse("trailing", "byte-after", data + b"\0")
    yield must.refuse("trailing", "packet-twice", data + data)
    yield must.refuse("trailing", "fourth-part", container(*OWNED.parts, b"x"))
    yield must.refuse("trailing", "length-one-too-low", lying(2, len(tensors) - 1))
