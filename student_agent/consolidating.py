"""Consolidating a packet in force: its memory makes way for LoRA matrices, if the student does as well with them.

As in `take`, what learns and what checks are children of their own, and one pointer is all that changes. If the checks
speak against the adapter, the memory stays in force; removing the packet removes whichever there is, and the student
is, bit for bit, what it was.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from m2kt.agent.child import OnProgress, run_child
from m2kt.errors import Conflict, NotFound
from m2kt.files import write_atomically
from m2kt.signing import TrustStore, verify_packet
from m2kt.signing.keys import write_public
from student_agent.activation import Active, State
from student_agent.take import Decision, Outcome, Policy, Run, Student, decide, machine, now, te_low


def consolidate(
    data: bytes,
    trust: TrustStore,
    student: Student,
    policy: Policy,
    settings: Mapping[str, Any],
    on_progress: OnProgress,
    log: Path,
    run: Run = run_child,
) -> Outcome:
    """Consolidate the packet in ``data``.

    1. Verify its signature, and find its memory, which must be in force.
    2. Train an adapter to say what the memory says, in a child.
    3. Check the student with the adapter instead of the memory, in another.
    4. Activate it in the memory's place when ``policy`` allows: it must be proven to help, as any packet, and may lose
       at most ``policy.regression`` of the accuracy that the student has with the memory.
    """
    # 1.
    verified = verify_packet(data, trust)
    packet_id, state = verified.packet.packet_id, State(student.state)
    memory = _in_force(state, packet_id)
    with tempfile.TemporaryDirectory(dir=student.state, prefix=".consolidate-") as scratch:
        packet, keys, adapter = (Path(scratch) / each for each in ("packet.m2kt", "keys", "adapter"))
        write_atomically(packet, data)
        keys.mkdir()
        for key_id in verified.key_ids:
            write_public(keys / f"{key_id}.pub", trust[key_id])
        # 2.
        spec: dict[str, Any] = {"packet": str(packet), "trust": str(keys), "model": str(student.model)}
        spec |= {"memory": str(state.memory(memory)), "out": str(adapter), "schedule": dict(settings)}
        learned = run("student_agent", "consolidate", {**spec, **machine(student)}, on_progress=on_progress, log=log)
        # 3.
        behaviour = None
        if student.checks is not None:
            told = _checking(student, state, memory, adapter, policy)
            behaviour = run("student_agent", "verify", told, on_progress=on_progress, log=log)
        # 4.
        decision, reason = decide(behaviour, policy)
        if decision != Decision.ROLLED_BACK:
            _put_in_place(state, memory, adapter)
    return Outcome(packet_id, decision, reason, learned, behaviour, now(), te_low(behaviour, policy))


def _in_force(state: State, packet_id: str) -> Active:
    for each in state.active():
        if each.packet_id == packet_id:
            return each
    raise NotFound(
        f"{packet_id} is not active here", hint="Take the packet first: only what is in force is consolidated."
    )


def _checking(student: Student, state: State, memory: Active, adapter: Path, policy: Policy) -> dict[str, Any]:
    beside = [each for each in state.active() if each != memory]
    return {
        "model": str(student.model),
        "memories": [str(adapter)],
        "beside": [str(state.memory(each)) for each in beside],
        "replaced": [str(state.memory(memory))],
        "checks": str(student.checks),
        "part": "decide",
        "confidence": policy.confidence,
        **({"general": str(student.general)} if student.general else {}),
        **machine(student),
    }


def _put_in_place(state: State, memory: Active, adapter: Path) -> None:
    """`Conflict` when the memory left meanwhile: what was recalled must not come back."""
    with state.changing():
        if memory not in state.active():
            raise Conflict(
                f"{memory.packet_id} left while it was consolidated",
                hint="Take it again, if the broker still gives it.",
            )
        state.activate(state.adopt(adapter))
