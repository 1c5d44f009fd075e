"""Packets of kind `anchors`: a teacher's activations on one published anchor set (docs/packet.md).

    anchors/states    F16 or F32 (n, d)   what the teacher makes of input number n of the set

The manifest's extraction has the operator ``anchors`` and exactly the settings ``set`` (name), ``set_sha256`` (its
digest), ``set_kind``, ``items`` (n) and ``reading`` (how a state is read: pooling, layer, prompt).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m2kt.errors import ManifestError, TensorError
from m2kt.packet import DomainRef, Extraction, Manifest, Packet, PacketKind, Teacher, build_packet, ledger
from m2kt.packet import fields as rule
from m2kt.packet.tensors import keep_bits

OPERATOR = "anchors"
STATES = "anchors/states"
MANTISSA_BITS = 8
_SETTINGS: Mapping[str, type] = {"set": str, "set_sha256": str, "set_kind": str, "items": int, "reading": str}


@dataclass(frozen=True, eq=False)
class AnchorStates:
    """States (n, d) of the inputs of the set with ``digest``; states read in another way are not comparable."""

    set_name: str
    digest: str
    kind: str
    reading: str
    states: NDArray[Any]


@dataclass(frozen=True)
class Title:
    """How a packet of anchors, or of static concepts, is called."""

    name: str
    version: str
    created: str
    domain: DomainRef
    licence: str = "Apache-2.0"


def build(found: AnchorStates, title: Title, teacher: Teacher) -> Packet:
    """The unsigned packet; equal arguments give equal packets. It keeps 8 mantissa bits of every state."""
    tensors, precision = keep_bits({STATES: found.states.astype(np.float32)}, MANTISSA_BITS)
    settings: dict[str, str | int] = {
        "set": found.set_name,
        "set_sha256": found.digest,
        "set_kind": found.kind,
        "items": len(found.states),
        "reading": found.reading,
    }
    manifest = Manifest.describe(
        kind=PacketKind.ANCHORS,
        name=title.name,
        version=title.version,
        created=title.created,
        domain=title.domain,
        teacher=teacher,
        extraction=Extraction(OPERATOR, settings, 0),
        licence=title.licence,
        tensors=tensors,
        precision=precision,
        ledger=ledger.measure(tensors, len(found.states)),
    )
    return build_packet(manifest, tensors)


def read(packet: Packet) -> AnchorStates:
    """The typed view; `ManifestError` or `TensorError` for what is no packet of anchors:

    1. its kind and operator are those of anchors, its settings exactly those above;
    2. it has the one tensor, of two dimensions and floats, with as many rows as the set has inputs.
    """
    manifest = packet.manifest
    said: Mapping[str, Any] = manifest.extraction.settings
    if manifest.kind != PacketKind.ANCHORS or manifest.extraction.operator != OPERATOR:
        raise ManifestError(f"{manifest.reference} is a packet of kind {manifest.kind}, made by another operator")
    if set(said) != set(_SETTINGS) or any(not isinstance(said[each], kind) for each, kind in _SETTINGS.items()):
        raise ManifestError(f"settings: those of anchors are {', '.join(sorted(_SETTINGS))}")
    rule.digest(said["set_sha256"], "extraction.settings.set_sha256")
    if set(packet.tensors) != {STATES}:
        raise TensorError(f"a packet of anchors has the tensor {STATES} and no other")
    states = packet.tensors[STATES]
    if states.ndim != 2 or states.dtype.kind != "f" or len(states) != said["items"]:
        raise TensorError(f"{STATES} must be floats of {said['items']} rows, not {states.dtype} {states.shape}")
    return AnchorStates(said["set"], said["set_sha256"], said["set_kind"], said["reading"], states)
