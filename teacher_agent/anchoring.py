"""The anchors job: a teacher's activations on one published set, as a signed packet (kind `anchors`).

Static concepts of the same teacher are read by students through it; it is published once per teacher, reading and set.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from m2kt.anchors import AnchorSet, read_set
from m2kt.errors import ExtractionRefused, UsageError
from m2kt.neural.chosen import CHOICES, encoder_of
from m2kt.neural.encoders import Encoder
from m2kt.neural.models import offline, set_threads
from m2kt.packet import DomainRef, Packet, anchors
from m2kt.packet.anchors import AnchorStates, Title
from m2kt.signing.keys import load_private
from teacher_agent.label import Label
from teacher_agent.publishing import deliver

REQUIRED = ("set", "name", "version", "key", "out")
OPTIONAL = (*CHOICES, "licence", "threads", "broker", "project", "session")
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
    """Spec: ``model`` directory or ``encoder`` with how a state is read (`m2kt.neural.chosen`), ``set`` file, ``name``
    and ``version`` of the packet, ``key`` private key file, ``out`` file; optional ``licence``, ``threads``, and
    ``broker`` URL with ``project`` there and ``session``."""
    check(spec, REQUIRED, OPTIONAL, "anchors")
    offline()
    set_threads(spec.get("threads"))
    title = title_of(spec, DOMAIN)
    key, found = load_private(Path(spec["key"])), read_set(Path(spec["set"]))
    packet = build(encoder_of(spec, found.kind), found, title)
    told = deliver(packet, key, spec)
    return {**told, "set_sha256": found.digest, "ledger": dict(packet.manifest.ledger)}


def check(spec: Mapping[str, Any], required: Sequence[str], optional: Sequence[str], job: str) -> None:
    """`UsageError` for what is missing in a specification, and for what no such job knows."""
    missing = [name for name in required if not spec.get(name)]
    unknown = sorted(set(spec) - {*required, *optional})
    if missing or unknown:
        raise UsageError(f"{job} job: missing {missing or 'nothing'}, unknown {unknown or 'nothing'}")


def title_of(spec: Mapping[str, Any], domain: DomainRef) -> Title:
    """How the packet is called, now; checked at once, since reading many inputs takes long."""
    label = Label(spec["name"], spec["version"], spec.get("licence", Label.licence))
    return Title(label.name, label.version, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), domain, label.licence)
