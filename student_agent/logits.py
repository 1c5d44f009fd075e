"""The logits job: what a student says, as bytes that can be compared across processes."""

import hashlib
from pathlib import Path
from typing import Any

from m2kt.files import write_atomically
from m2kt.neural.decode import by_length, encode
from m2kt.neural.models import load, offline, pick_device, raw_bytes, set_threads
from student_agent.activation import State
from student_agent.artifact import load_student
from student_agent.specs import check_spec
from student_agent.verify import read_sentences

REQUIRED = ("model", "prompts")
OPTIONAL = ("state", "out", "device", "threads")


def run(spec: dict[str, Any]) -> dict[str, Any]:
    """Spec: ``model`` directory, ``prompts`` text file; optional ``state`` directory, ``out`` file, ``device``,
    ``threads``.

    The bytes are the logits of every prompt's last position, (prompts, V), one row after the other.
    """
    check_spec(spec, REQUIRED, OPTIONAL)
    offline()
    set_threads(spec.get("threads"))
    prompts = read_sentences(Path(spec["prompts"]))
    lm = load(spec["model"], pick_device(spec.get("device", "auto")))
    memories = State(Path(spec["state"])).memories() if spec.get("state") else []
    student = load_student(lm, memories)
    rows = [b""] * len(prompts)
    for indices, ids in by_length(encode(lm, prompts)):
        for index, logits in zip(indices, student.next_logits(ids), strict=True):
            rows[index] = raw_bytes(logits)
    data = b"".join(rows)
    if spec.get("out"):
        write_atomically(Path(spec["out"]), data)
    return {"sha256": hashlib.sha256(data).hexdigest(), "prompts": len(prompts), "active": len(memories)}
