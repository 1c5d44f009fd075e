"""A process that learns: it holds packets and the student, and can import neither a domain nor a teacher.

Spec on stdin, one line of JSON on stdout: ``python -m bench.te.aligning``.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch

from bench.te import flops
from m2kt.errors import M2KTError
from m2kt.neural.models import LanguageModel, load, offline, set_threads, weights_sha256
from m2kt.packet.knowledge import Knowledge
from m2kt.signing import TrustStore
from student_agent.align import align, open_packet, options_of
from student_agent.artifact import save_memory, shape_of
from student_agent.card import Card
from student_agent.isolation import isolate
from student_agent.memory import ConceptMemory
from student_agent.training import Schedule

SAMPLE = 3  # steps whose FLOPs are counted


def main() -> int:
    spec = json.loads(sys.stdin.read())
    isolate(("teacher_agent", "broker", "examples", *spec["forbidden"]))
    offline()
    set_threads(1)
    lm = load(spec["student"], torch.device("cpu"))
    print(json.dumps({name: _one(lm, name, spec) for name in spec["packets"]}), flush=True)
    return 0


def _one(lm: LanguageModel, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    """Align one packet; a refusal is a result."""
    given = spec["packets"][name]
    schedule = Schedule(steps=given["steps"], seed=spec["seed"])
    try:
        packet, knowledge = open_packet(Path(given["path"]), TrustStore.from_path(Path(spec["trust"])))
        before = weights_sha256(lm.model)
        memory, report = align(lm, knowledge, schedule, options_of(given["options"]))
    except M2KTError as error:
        return {"refused": str(error)}
    if given["blind"]:
        look_at_everything(memory)
    assert weights_sha256(lm.model) == before, "the frozen core changed"
    card = Card(packet.packet_id, packet.manifest.reference, before, shape_of(memory), report)
    save_memory(Path(given["out"]), memory, card)
    flops = _flops(lm, knowledge, schedule) if given["count"] else None
    return {"memory": given["out"], "flops": flops, **report}


@torch.no_grad()
def look_at_everything(memory: ConceptMemory) -> None:
    """Pointers without content and distance: the same attention on every token so far."""
    memory.query.weight.zero_()
    memory.distance.zero_()


def _flops(lm: LanguageModel, knowledge: Knowledge, schedule: Schedule) -> int:
    """Of the whole schedule, from a few of its steps; what is done once is counted in, scaled up with them."""
    counter = flops.counter()
    with counter:
        align(lm, knowledge, Schedule(steps=SAMPLE, seed=schedule.seed))
    return int(counter.get_total_flops() / SAMPLE * schedule.steps)


if __name__ == "__main__":
    sys.exit(main())
