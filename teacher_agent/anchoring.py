"""The anchors job: a teacher's activations on one published set, as a signed packet (kind `anchors`).

Static concepts of the same teacher are read by students through it; it is published once per teacher, reading and set.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from m2kt.anchors import AnchorSet, read_set
from m2kt.errors import ExtractionRefused, UsageError
from m2kt.files import write_atomically
from m2kt.neural.encoders import Encoder, Pool, Reading, text_encoder
from m2kt.neural.models import offline, set_threads
from m2kt.packet import DomainRef, Packet, anchors
from m2kt.packet.anchors import AnchorStates, Title
from m2kt.signing import sign_packet
from m2kt.signing.keys import load_private

REQUIRED = ("model", "set", "name", "version", "key", "out")
OPTIONAL = ("pool", "layer", "prompt", "gguf_file", "gguf_sha256", "licence", "threads")
DOMAIN = DomainRef("public-anchors", "1.0.0")


def states_of(encoder: Encoder, found: AnchorSet) -> AnchorStates:
    """What ``encoder`` makes of the set; `ExtractionRefused` when a state is not finite."""
    states = encoder.encode(found.items)
    if not np.isfinite(states).all():
        raise ExtractionRefused(f"the teacher's states of {found.name} hold NaN or an infinity")
    return AnchorStates(found.name, found.digest, found.kind, encoder.reading, states)


def build(encoder: Encoder, found: AnchorSet, title: Title) -> Packet:
    """The unsigned packet."""
    return anchors.build(states_of(encoder, found), title, encoder.describe())


def run(spec: dict[str, Any]) -> dict[str, Any]:
    """Spec: ``model`` directory, ``set`` file, ``name`` and ``version`` of the packet, ``key`` private key file,
    ``out`` file; optional ``pool``, ``layer``, ``prompt`` (how a state is read), ``gguf_file``,
    ``gguf_sha256``, ``licence``, ``threads``."""
    missing = [name for name in REQUIRED if not spec.get(name)]
    unknown = sorted(set(spec) - {*REQUIRED, *OPTIONAL})
    if missing or unknown:
        raise UsageError(f"anchors job: missing {missing or 'nothing'}, unknown {unknown or 'nothing'}")
    offline()
    set_threads(spec.get("threads"))
    key, found = load_private(Path(spec["key"])), read_set(Path(spec["set"]))
    if found.kind != "text":
        raise UsageError(f"{found.name} is a set of images; this job reads texts")
    if spec.get("pool", Pool.MEAN) not in list(Pool):
        raise UsageError(f"no pooling {spec['pool']!r}; there are {', '.join(Pool)}")
    reading = Reading(Pool(spec.get("pool", Pool.MEAN)), spec.get("layer", -1), spec.get("prompt", "{}"))
    encoder = text_encoder(
        Path(spec["model"]), reading, gguf_file=spec.get("gguf_file"), gguf_sha256=spec.get("gguf_sha256")
    )
    created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    title = Title(spec["name"], spec["version"], created, DOMAIN, spec.get("licence", Title.licence))
    packet = build(encoder, found, title)
    data = sign_packet(packet, key)
    write_atomically(Path(spec["out"]), data)
    return {
        "packet_id": packet.packet_id,
        "packet": str(spec["out"]),
        "bytes": len(data),
        "set_sha256": found.digest,
        "ledger": dict(packet.manifest.ledger),
    }
