"""What is in a packet, for its page: read once from the stored bytes, strictly, and only where a scan's verdict says
that its structure holds.

A packet's bytes are a stranger's until then; and even then their sizes are bounded before anything is read, so that no
page costs more than a moment.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from broker.models import Packet
from broker.services.statements import Said
from broker.storage import BlobStore
from m2kt.errors import Conflict, DigestMismatch, NotFound
from m2kt.packet import Limits, PacketKind, read_packet
from m2kt.packet.controls import decoded
from m2kt.packet.knowledge import UNUSED, Knowledge, from_tensors
from m2kt.packet.static import is_static
from m2kt.scan import Outcome

MOST = {
    "concepts/centroids": (4096, 16_384),
    "symbols/embeddings": (8192, 16_384),
    "graph/templates": (1024, 3),
    "graph/elements": (16_384, 4),
    "graph/decisions": (4096, 64),
    "graph/alphabets": (4096, 65_536),
}
"""Rows and columns that a page looks at; larger packets are for the command line."""

MOST_BYTES = 64 * 2**20
NEEDED = ("structure", "headers", "digests")
"""Checks of the scan without which the bytes are not opened here."""

KINDS = (PacketKind.KNOWLEDGE, PacketKind.AGGREGATE)
T = TypeVar("T")


@dataclass(frozen=True)
class Contents:
    """The knowledge of one packet, and what each concept decodes to."""

    packet_id: str
    weights: str
    operator: str
    knowledge: Knowledge
    answers: NDArray[np.int64]
    """(K,) the symbol string that each concept decodes to among the packet's own anchors."""

    @property
    def count(self) -> int:
        return len(self.answers)

    def grounding(self, concept: int) -> tuple[str, ...]:
        """The strings that fill the role slots of a concept."""
        row = self.knowledge.groundings[concept]
        return tuple(self.knowledge.symbols[each] for each in row if each != UNUSED)

    def answer(self, concept: int) -> str:
        return self.knowledge.symbols[int(self.answers[concept])]


def why_closed(packet: Packet, verdict: Said | None) -> str | None:
    """Why a packet's contents are not shown; None when they are."""
    if packet.kind not in KINDS:
        return f"A packet of kind {packet.kind} holds no concepts."
    if is_static([each["name"] for each in packet.manifest["tensors"]]):
        return "Its concepts are static: Gaussians without decisions, of which this page shows nothing yet."
    if verdict is None or not verdict.valid:
        return "No signed verdict says yet that its structure holds: its bytes are not opened before."
    found = {each.get("name"): each.get("outcome") for each in verdict.predicate.get("checks", [])}
    missing = [each for each in NEEDED if found.get(each) != Outcome.PASS]
    if missing:
        return f"Its latest verdict does not say that these checks passed: {', '.join(missing)}. Its bytes stay closed."
    return _too_large(packet)


def _too_large(packet: Packet) -> str | None:
    if packet.size > MOST_BYTES:
        return f"It has {packet.size:,} bytes; this page opens packets of up to {MOST_BYTES:,}."
    for row in packet.manifest["tensors"]:
        limits = MOST.get(row["name"])
        if limits and any(size > most for size, most in zip(row["shape"], limits, strict=False)):
            size, most = "×".join(map(str, row["shape"])), "×".join(map(str, limits))
            return f"Its {row['name']} is {size}; this page looks at up to {most}. Use `m2kt packet inspect`."
    return None


class Shelf:
    """What was computed lately, by key; one computation at a time in this process, so that no page takes all cores."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[tuple[Any, ...], Any] = OrderedDict()
        self._lock = threading.RLock()  # what is made may need what is kept

    def get(self, key: tuple[Any, ...], make: Callable[[], T]) -> T:
        found: T
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                found = self._kept[key]
            else:
                found = self._kept[key] = make()
                while len(self._kept) > self._most:
                    self._kept.popitem(last=False)
        return found


_OPEN = Shelf(4)
"""A packet id names its contents, so what is kept is never out of date; who may look is asked before."""


def open_(session: Session, store: BlobStore, packet: Packet, verdict: Said | None) -> Contents:
    """The contents; `Conflict` says why they are closed."""
    closed = why_closed(packet, verdict)
    if closed is not None:
        raise Conflict(closed, hint="Look at the checks on the packet's page.")
    return _OPEN.get((packet.packet_id,), lambda: _read(session, store, packet))


def _read(session: Session, store: BlobStore, packet: Packet) -> Contents:
    data = b"".join(store.read(session, packet.content_sha256, 0, packet.size))
    if f"sha256:{sha256(data).hexdigest()}" != packet.content_sha256:
        raise DigestMismatch("the stored bytes are not those of the packet", hint="Run `m2kt log audit`.")
    found = read_packet(data, Limits(max_packet_bytes=MOST_BYTES))
    if found.packet_id != packet.packet_id:
        raise DigestMismatch(f"the stored bytes are packet {found.packet_id}", hint="Run `m2kt log audit`.")
    manifest = found.manifest
    knowledge = from_tensors(found.tensors, manifest.symbols, manifest.leads)
    answers = np.asarray(knowledge.anchor_strings, np.int64)[decoded(knowledge)]
    return Contents(packet.packet_id, manifest.teacher.weights_sha256, manifest.extraction.operator, knowledge, answers)


@dataclass(frozen=True)
class ConceptRow:
    """One concept, as the table has it."""

    number: int
    grounding: tuple[str, ...]
    decision_class: int
    answer: str
    support: int
    dispersion: float
    norm: float


def rows(contents: Contents, start: int, stop: int) -> list[ConceptRow]:
    """Concepts ``start`` to ``stop``; `NotFound` past the last."""
    knowledge = contents.knowledge
    if not 0 <= start < max(contents.count, 1):
        raise NotFound(f"the packet has {contents.count} concepts")
    norms = np.linalg.norm(knowledge.centroids[start:stop].astype(np.float64), axis=1)
    return [
        ConceptRow(
            number,
            contents.grounding(number),
            int(knowledge.classes[number]),
            contents.answer(number),
            int(knowledge.support[number]),
            float(knowledge.dispersion[number]),
            float(norms[number - start]),
        )
        for number in range(start, min(stop, contents.count))
    ]
