"""The facts of one seed: the packet, and packets that must not work, on one student."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bench.anchored import facts, sources
from bench.anchored.facts_student import answers, build, make_student, teach
from bench.anchored.task import Row
from m2kt.errors import M2KTError
from m2kt.packet import controls
from m2kt.packet.knowledge import Knowledge


def measure(seed: int, controlled: bool) -> dict[str, Row]:
    """The student before and with the packet; if ``controlled``, with every other packet, too."""
    read = facts.teacher_reads()
    whole = facts.knowledge(read)
    with tempfile.TemporaryDirectory() as directory:
        student = make_student(Path(directory) / "student", seed)
        rows = {"student before": Row(answers(student, None), {})}
        others: dict[str, Knowledge] = {
            "answers-only": controls.answers_only(whole),
            "control: shuffled concepts": controls.shuffled(whole, seed),
            "control: random C": controls.random(whole, seed),
        }
        for name, knowledge in ({"packet": whole} | (others if controlled else {})).items():
            rows[name] = _taught(knowledge, student, seed, len(rows["student before"].right))
    return rows


def _taught(knowledge: Knowledge, student: Path, seed: int, items: int) -> Row:
    packet = build(knowledge, sources.described(sources.smollm2), int(knowledge.support.sum()))
    try:
        found = teach(packet, student, seed)
    except M2KTError as error:  # a control may be refused: it taught nothing
        return Row(np.zeros(items, bool), {"refused": error.detail})
    told: Mapping[str, Any] = {
        key: found.report[key] for key in ("agreement", "residual", "coverage", "longest_symbol")
    }
    return Row(found.after, {**told, "ledger": dict(packet.manifest.ledger)})
