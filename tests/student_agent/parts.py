"""What several tests of the student need: short training, signed packets, sealed checks."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from m2kt.neural.models import LanguageModel, weights_sha256
from m2kt.packet import PacketKind
from m2kt.packet.knowledge import Knowledge
from m2kt.signing import key_id, sign_packet
from m2kt.signing.keys import generate, write_public
from student_agent.align import align
from student_agent.artifact import shape_of
from student_agent.card import Card
from student_agent.memory import ConceptMemory
from student_agent.training import Schedule
from tests.small import SYMBOLS, packet_of

WORDS = (*SYMBOLS, "p", "q", "r", ">", "the", "cat", "sat")
SHORT = Schedule(steps=60)
PAIRS = [(a, b) for a in range(3) for b in range(3)]
SUMS = [f"{a} + {b} =" for a, b in PAIRS]
PACKET_ID = "sha256:" + "a" * 64


@dataclass(frozen=True)
class Taught:
    """A memory, what its training reported, and the knowledge it came from."""

    memory: ConceptMemory
    report: dict[str, Any]
    knowledge: Knowledge


@dataclass(frozen=True)
class Signed:
    """A packet file and the directory of keys that it is trusted by."""

    path: Path
    trust: Path


def teach(student: LanguageModel, knowledge: Knowledge, schedule: Schedule = SHORT) -> Taught:
    """Align ``knowledge`` on a short schedule."""
    return Taught(*align(student, knowledge, schedule), knowledge)


def card_of(student: LanguageModel, taught: Taught, packet_id: str = PACKET_ID) -> Card:
    """The card that belongs to a taught memory."""
    name = "tests/addition@1.0.0"
    return Card(packet_id, name, weights_sha256(student.model), shape_of(taught.memory), taught.report)


def signed(
    directory: Path, knowledge: Knowledge, name: str, kind: PacketKind = PacketKind.KNOWLEDGE, **lies: int
) -> Signed:
    """A packet of ``knowledge``, signed with a fresh key that its own trust directory holds."""
    key = generate()
    trust = directory / f"{name}-keys"
    trust.mkdir(parents=True)
    write_public(trust / f"{key_id(key.public_key())}.pub", key.public_key())
    path = directory / f"{name}.m2kt"
    path.write_bytes(sign_packet(packet_of(knowledge, name=f"tests/{name}", lies=lies, kind=kind), key))
    return Signed(path, trust)


def write_checks(path: Path, times: int = 8) -> Path:
    """Every sum modulo 3, ``times`` over: repeated items stand for the many that a real file has."""
    items = [{"prompt": f"{a} + {b} =", "answer": str((a + b) % 3), "tags": [f"from{a}"]} for a, b in PAIRS]
    path.write_text("".join(json.dumps(each) + "\n" for each in items * times))
    return path
