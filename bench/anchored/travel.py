"""Knowledge and anchors as signed packets, there and back: what a student measures on is what really travelled."""

from collections.abc import Mapping
from dataclasses import dataclass

from m2kt.anchors import AnchorSet
from m2kt.neural.encoders import States
from m2kt.packet import DomainRef, Teacher, anchors
from m2kt.packet.anchors import AnchorStates, Title
from m2kt.packet.static import StaticKnowledge
from m2kt.signing import TrustStore, sign_packet
from m2kt.signing.keys import generate
from student_agent.grounding import open_anchors, open_concepts
from teacher_agent import static

CREATED = "2026-01-31T12:00:00Z"
COUNTS = ("activations_moved", "labels_moved", "concepts", "bytes", "teacher_queries_used_to_build")


@dataclass(frozen=True)
class Source:
    """Who teaches what, and on which anchor set."""

    domain: str
    teacher: Teacher
    reading: str
    held: AnchorSet


@dataclass(frozen=True, eq=False)
class Travel:
    """What came out of both packets, and the sum of their ledgers."""

    knowledge: StaticKnowledge
    paired: AnchorStates
    ledger: Mapping[str, int]


def travel(knowledge: StaticKnowledge, states: States, source: Source, probes: int, seed: int) -> Travel:
    """Build, sign, verify and open both packets; ``states`` are the teacher's of the anchor set."""
    domain, key = DomainRef(source.domain, "1.0.0"), generate()
    trust = TrustStore([key.public_key()])
    title = Title(f"bench/{source.domain}", "1.0.0", CREATED, domain)
    concepts = static.build(knowledge, title, source.teacher, source.reading, source.held.digest, probes, seed)
    found = AnchorStates(source.held.name, source.held.digest, source.held.kind, source.reading, states)
    shown = anchors.build(found, Title("bench/anchors", "1.0.0", CREATED, domain), source.teacher)
    packet, opened = open_concepts(sign_packet(concepts, key), trust)
    paired = open_anchors(sign_packet(shown, key), trust, packet, source.held)
    ledgers = (packet.manifest.ledger, shown.manifest.ledger)
    return Travel(opened, paired, {each: sum(ledger[each] for ledger in ledgers) for each in COUNTS})
