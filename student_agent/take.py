"""Taking a packet: pull, verify, align, verify behaviour, activate or leave everything as it was, report.

Every heavy step runs in a child of its own, so that the process which learns never sees the sealed checks and the
process which checks never learns.
"""

import tempfile
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from m2kt.agent.child import OnProgress, run_child
from m2kt.files import write_atomically
from m2kt.signing import TrustStore, verify_packet
from m2kt.signing.keys import write_public
from student_agent.activation import State


class Decision(StrEnum):
    """How a packet ended."""

    ACCEPTED = "accepted"
    UNVERIFIED = "accepted-unverified"
    ROLLED_BACK = "rolled-back"


@dataclass(frozen=True)
class Policy:
    """When a packet may stay. ``delta`` is the least paired gain in accuracy, at ``confidence``."""

    delta: float = 0.0
    confidence: float = 0.95
    perplexity_rise: float = 0.01
    activate_unverified: bool = False
    require_log: bool = True
    """Refuse packets whose receipt the broker's log does not hold."""
    log_seconds: float = 10.0
    """How long a fresh receipt may take to get there."""
    witnesses: tuple[str, ...] = ()
    """Verifier keys of witnesses, ``quorum`` of which must have cosigned the log."""
    quorum: int = 0


@dataclass(frozen=True)
class Student:
    """One student on this host: its model, its state, and what it checks itself with."""

    model: Path
    state: Path
    checks: Path | None = None
    general: Path | None = None
    device: str = "auto"
    threads: int | None = None
    schedule: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What a packet did to a student."""

    packet_id: str
    decision: Decision
    reason: str
    alignment: dict[str, Any]
    behaviour: dict[str, Any] | None
    time: str


def take(
    data: bytes, trust: TrustStore, student: Student, policy: Policy, on_progress: OnProgress, log: Path
) -> Outcome:
    """Take the packet in ``data``.

    1. Verify its signature against ``trust``.
    2. Align it in a child that holds the packet and the student and nothing else.
    3. Check the student's behaviour with it in another child, on the half of the checks that decides.
    4. Activate it when ``policy`` allows; otherwise nothing was changed and nothing needs undoing.
    """
    # 1.
    verified = verify_packet(data, trust)
    with tempfile.TemporaryDirectory(dir=_made(student.state), prefix=".take-") as scratch:
        packet, keys, memory = Path(scratch) / "packet.m2kt", Path(scratch) / "keys", Path(scratch) / "memory"
        write_atomically(packet, data)
        keys.mkdir()
        for key_id in verified.key_ids:
            write_public(keys / f"{key_id}.pub", trust[key_id])
        # 2.
        spec: dict[str, Any] = {"packet": str(packet), "trust": str(keys), "model": str(student.model)}
        spec |= {"out": str(memory), **_machine(student), "schedule": student.schedule}
        alignment = run_child("student_agent", "align", spec, on_progress=on_progress, log=log)
        # 3.
        behaviour = _behaviour(student, memory, policy, on_progress, log)
        # 4.
        decision, reason = decide(behaviour, policy)
        if decision != Decision.ROLLED_BACK:
            state = State(student.state)
            with state.changing():
                state.activate(state.adopt(memory))
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Outcome(verified.packet.packet_id, decision, reason, alignment, behaviour, now)


def _made(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def _machine(student: Student) -> dict[str, Any]:
    return {"device": student.device, **({"threads": student.threads} if student.threads else {})}


def _behaviour(
    student: Student, memory: Path, policy: Policy, on_progress: OnProgress, log: Path
) -> dict[str, Any] | None:
    """Before and after, with the packets that are in force already on both sides; None without checks."""
    if student.checks is None:
        return None
    spec = {
        "model": str(student.model),
        "memories": [str(memory)],
        "beside": [str(each) for each in State(student.state).memories()],
        "checks": str(student.checks),
        "part": "decide",
        "confidence": policy.confidence,
        **({"general": str(student.general)} if student.general else {}),
        **_machine(student),
    }
    return run_child("student_agent", "verify", spec, on_progress=on_progress, log=log)


def decide(behaviour: dict[str, Any] | None, policy: Policy) -> tuple[Decision, str]:
    """Accept only what is proven to help and not to harm."""
    if behaviour is None:
        if policy.activate_unverified:
            return Decision.UNVERIFIED, "no checks here; the policy activates unverified packets"
        return Decision.ROLLED_BACK, "unverified: there are no checks here to tell whether it helps"
    low = behaviour["improvement_low"]
    if low < policy.delta or behaviour["improvement"] <= 0:
        return (
            Decision.ROLLED_BACK,
            f"improvement of at least {policy.delta:.3f} is not proven: its lower bound is {low:.3f}",
        )
    before, after = behaviour["perplexity_before"], behaviour["perplexity_after"]
    if before is not None and not after <= before * (1 + policy.perplexity_rise):  # NaN is harm too
        return Decision.ROLLED_BACK, f"perplexity outside the domain rose from {before:.3f} to {after:.3f}"
    return Decision.ACCEPTED, f"improvement of at least {low:.3f} at {behaviour['confidence']:.2f} confidence"


def predicate(outcome: Outcome, student: str) -> dict[str, Any]:
    """The outcome as the predicate of an attestation: decimals as strings (I-JSON without floats)."""
    told = {"student": student, **asdict(outcome)}
    del told["packet_id"]
    plain: dict[str, Any] = _without_floats(told)
    return plain


def _without_floats(value: Any) -> Any:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict):
        return {key: _without_floats(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_floats(each) for each in value]
    return value
