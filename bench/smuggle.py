"""A message in the bits below a packet's declared precision, put there by somebody who writes the container himself."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from m2kt.packet import Manifest, Packet
from m2kt.packet.container import Parts, pack, unpack
from m2kt.packet.tensors import MANTISSA_BITS, Array, dtype_code, encode
from m2kt.signing import sign_packet
from m2kt.signing.keys import generate


def smuggled(packet: Packet, share: float, rng: np.random.Generator) -> bytes:
    """The packet's container with ``share`` of the undeclared bits of its float tensors drawn at random."""
    tensors = {name: _filled(name, array, packet, share, rng) for name, array in packet.tensors.items()}
    manifest = packet.manifest
    lying = Manifest.describe(
        **{name: getattr(manifest, name) for name in _DESCRIBED}, tensors=tensors, precision=manifest.precision
    )
    envelope = unpack(sign_packet(packet, generate())).envelope
    return pack(Parts(envelope, lying.to_bytes(), encode(tensors)))


_DESCRIBED = (
    "kind",
    "name",
    "version",
    "created",
    "domain",
    "teacher",
    "extraction",
    "licence",
    "ledger",
    "confidence",
    "coverage",
    "parents",
    "symbols",
    "leads",
)


def _filled(name: str, array: Array, packet: Packet, share: float, rng: np.random.Generator) -> Array:
    if name not in packet.manifest.precision:
        return array
    low = MANTISSA_BITS[dtype_code(array)] - packet.manifest.precision[name]
    word: Any = np.uint16 if array.dtype.itemsize == 2 else np.uint32
    message: NDArray[Any] = np.zeros(array.shape, word)
    for bit in range(low):
        here: NDArray[np.bool_] = (rng.random(array.shape) < share) & (rng.random(array.shape) < 0.5)
        message |= here.astype(word) * word(1 << bit)
    words = np.ascontiguousarray(array).view(word) | message
    filled: Array = words.view(array.dtype)
    return filled
