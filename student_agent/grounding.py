"""The grounding job: static concepts and public anchors become an auxiliary head beside one student.

1. Isolate the process: packets, anchor set and student are all there is to learn from.
2. Verify both packets; they must be of one teacher, one reading and one anchor set, and the set at hand must be it.
3. The student encodes the set itself; fit the map; refuse anchors off the domain and a poor fit.
4. Learn the head from samples of the packet; the student's core stays frozen, proven by its digest.
5. Write the head; what it says outside these inputs is not known. The command `ground` puts it in force (heads.py).
"""

import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m2kt.anchors import AnchorSet, read_set
from m2kt.errors import AlignmentRefused, LedgerMismatch, UsageError
from m2kt.neural.chosen import CHOICES, PLUGGED, READS, encoder_of
from m2kt.neural.models import offline, set_threads
from m2kt.packet import Packet, PacketKind, anchors, ledger, static
from m2kt.packet.anchors import AnchorStates
from m2kt.packet.static import StaticKnowledge
from m2kt.signing import TrustStore, verify_packet
from student_agent.anchoring import FARTHEST, Fit, distances, fit, require_fit, require_near
from student_agent.grounded import Grounded, save
from student_agent.head import Direction, learn, learn_relative, learn_through
from student_agent.isolation import isolate
from student_agent.kinship import Kin, KinPolicy, nobody
from student_agent.specs import check_spec

REQUIRED = ("packet", "anchors", "trust", "set", "out")
OPTIONAL = (*CHOICES, "direction", "seed", "threads", "allow_same_family")


def ground(
    knowledge: StaticKnowledge,
    paired: AnchorStates,
    own: NDArray[np.floating],
    direction: Direction | None = None,
    seed: int = 0,
    force: bool = False,
    carried: Fit | None = None,
) -> Grounded:
    """Fit on the anchors, whose states are the teacher's in ``paired`` and the student's ``own`` (n, d_S); learn the
    head. `AlignmentRefused` for anchors off the domain or a poor fit, unless ``force`` (for controls). ``carried`` is a
    fit on the same anchors in the same direction that was made before. Without a ``direction`` it is that of the two
    maps which explains more of held-out anchors."""
    theirs = paired.states.astype(np.float64)
    if knowledge.centroids.shape[1] != theirs.shape[1]:
        raise AlignmentRefused(f"concepts are {knowledge.centroids.shape[1]} wide, anchors {theirs.shape[1]}")
    lie = distances(knowledge.centroids, theirs, seed)
    away = float(np.median(lie))
    if direction is None:
        direction, carried = best_direction(fit(theirs, own, seed), fit(own, theirs, seed))
    elif carried is None:
        carried = fit(theirs, own, seed) if direction == Direction.TO_STUDENT else fit(own, theirs, seed)
    if not force:
        require_near(away)
        require_fit(carried)
    explained = float(carried.explained)
    coverage = float((lie <= FARTHEST).mean())
    report = {"explained": explained, "residual": 1 - explained, "ridge": carried.ridge, "away": away}
    report["coverage"] = coverage
    if direction == Direction.RELATIVE:
        return Grounded(learn_relative(knowledge, theirs, seed), direction, np.asarray(own), knowledge.symbols, report)
    if direction == Direction.ANCHORS:
        return Grounded(learn_through(knowledge, theirs, own, seed), direction, None, knowledge.symbols, report)
    head = learn(knowledge, carried, direction, seed)
    carry = carried if direction == Direction.TO_TEACHER else None
    return Grounded(head, direction, carry, knowledge.symbols, report)


def best_direction(there: Fit, back: Fit) -> tuple[Direction, Fit]:
    """Of the maps to the student and to the teacher the one that explains more of held-out anchors, without a label."""
    better = there.explained >= back.explained
    return (Direction.TO_STUDENT, there) if better else (Direction.TO_TEACHER, back)


def open_concepts(data: bytes, trust: TrustStore) -> tuple[Packet, StaticKnowledge]:
    """Verify a packet of static concepts and recount its ledger."""
    packet = verified(data, trust)
    if packet.manifest.kind != PacketKind.KNOWLEDGE or not static.is_static(packet.tensors):
        swapped = packet.manifest.kind == PacketKind.ANCHORS
        raise AlignmentRefused(
            f"{packet.manifest.reference} holds no static concepts",
            hint="It holds anchors: give it as `anchors`, beside a packet of concepts." if swapped else "Use `take`.",
        )
    return packet, static.from_tensors(packet.tensors, packet.manifest.symbols)


def open_anchors(data: bytes, trust: TrustStore, concepts: Packet, held: AnchorSet) -> AnchorStates:
    """Verify a packet of anchors; it must be of the concepts' teacher and reading, and of the set that is ``held``."""
    packet, told = verified(data, trust), concepts.manifest
    if packet.manifest.kind != PacketKind.ANCHORS:
        raise AlignmentRefused(
            f"{packet.manifest.reference} holds no anchors",
            hint="Give the packet of anchors that this teacher published for these concepts.",
        )
    found = anchors.read(packet)
    held.require(found.digest)
    said = told.extraction.settings
    pairs = (
        ("teacher's weights", packet.manifest.teacher.weights_sha256, told.teacher.weights_sha256),
        ("reading", found.reading, said.get("reading")),
        ("anchor set", found.digest, said.get("set_sha256")),
    )
    for what, here, there in pairs:
        if here != there:
            raise AlignmentRefused(
                f"the concepts' {what} is {there}, that of the anchors is {here}: the two packets share no space",
                hint="Pull the packet of anchors that this teacher published for these concepts.",
            )
    return found


def verified(data: bytes, trust: TrustStore) -> Packet:
    """The packet in ``data``, its signature checked and its ledger recounted."""
    packet = verify_packet(data, trust).packet
    counted = ledger.compute(packet)
    if counted != dict(packet.manifest.ledger):
        raise LedgerMismatch(f"the manifest's ledger says {dict(packet.manifest.ledger)}, the tensors {counted}")
    return packet


def run(spec: dict[str, Any]) -> dict[str, Any]:
    """Spec: ``packet`` and ``anchors`` files, ``trust`` directory or key file, ``set`` file, ``model`` directory of the
    student or ``encoder`` with how its state is read (`m2kt.neural.chosen`), ``out`` directory; optional
    ``direction``, ``seed``, ``threads``, and ``allow_same_family``: the names and base families that are taken
    although they are the student's own (without this key nobody asks; the command always gives it)."""
    isolate()
    check_spec(spec, REQUIRED, OPTIONAL)
    offline()
    set_threads(spec.get("threads"))
    started, trust, held = time.perf_counter(), TrustStore.from_path(Path(spec["trust"])), read_set(Path(spec["set"]))
    packet, knowledge = open_concepts(read_bytes(spec["packet"]), trust)
    paired = open_anchors(read_bytes(spec["anchors"]), trust, packet, held)
    direction, student = _direction(spec), encoder_of(spec, held.kind)
    before = student.sha256
    if "allow_same_family" in spec:
        policy = KinPolicy(allowed=tuple(spec["allow_same_family"]))
        Kin(packet.manifest, student.describe().base_family, policy, nobody).check(before)
    made = ground(knowledge, paired, student.encode(held.items), direction, spec.get("seed", 0))
    if student.sha256 != before:
        raise AlignmentRefused("the student's frozen core changed during alignment", hint="Please report this.")
    card = {
        "packet_id": packet.packet_id,
        "packet": packet.manifest.reference,
        "student_sha256": before,
        "reading": student.reading,
        "reads": {name: spec[name] for name in (*READS, *PLUGGED) if spec.get(name) is not None},
        "direction": made.direction,
        "symbols": list(made.symbols),
        "concepts": len(knowledge.centroids),
        "symbols_without_concepts": [
            each for number, each in enumerate(made.symbols) if number not in knowledge.emissions
        ],
        **made.report,
    }
    save(Path(spec["out"]), made, card)
    return {**card, "head": spec["out"], "seconds": round(time.perf_counter() - started, 2)}


def read_bytes(path: str) -> bytes:
    """A packet's file; `UsageError` when it cannot be read."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", hint="Name a .m2kt file.") from error


def _direction(spec: dict[str, Any]) -> Direction | None:
    try:
        return Direction(spec["direction"]) if spec.get("direction") else None
    except ValueError as error:
        raise UsageError(f"no direction {spec['direction']!r}; there are {', '.join(Direction)}") from error
