"""Taking a packet: pull, verify, align, verify behaviour, activate or leave everything as it was, report.

Every heavy step runs in a child of its own, so that the process which learns never sees the sealed checks and the
process which checks never learns.
"""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

from m2kt.agent.child import OnProgress, run_child
from m2kt.errors import UsageError
from m2kt.files import write_atomically
from m2kt.signing import TrustStore, verify_packet
from m2kt.signing.keys import write_public
from student_agent.activation import Active, State
from student_agent.card import read_card
from student_agent.kinship import Clear, Kin, KinPolicy, nobody, own_family

Run = Callable[..., dict[str, Any]]
"""How children are run: `run_child`, or the daemon's, which ends them when it must leave."""


class Decision(StrEnum):
    """How a packet ended."""

    ACCEPTED = "accepted"
    UNVERIFIED = "accepted-unverified"
    ROLLED_BACK = "rolled-back"
    REFUSED = "refused"
    """It cannot be aligned with this student at all."""
    REPLACED = "replaced"
    """It was in force until another version of its name took its place."""
    REMOVED = "removed"
    """It was in force, and was taken out for another reason."""
    RECALLED = "recalled"
    """The broker took it back, and it left, if it was in force."""


@dataclass(frozen=True)
class Policy:
    """When a packet may stay. ``delta`` is the least paired gain in accuracy, at ``confidence``."""

    delta: float = 0.0
    confidence: float = 0.95
    perplexity_rise: float = 0.01
    regression: float = 0.02
    """Most accuracy that a new version may lose against the one in force that it would replace."""
    activate_unverified: bool = False
    require_log: bool = True
    """Refuse packets whose receipt the broker's log does not hold."""
    log_seconds: float = 10.0
    """How long a fresh receipt may take to get there."""
    domain: str | None = None
    """The only domain whose packets are taken, as name or name@version: the one that the checks are of."""
    teacher_accuracy: float = 1.0
    """Most accuracy that the teacher could have on these checks: what the lower bound of TE (eq. 22) divides by."""
    strict_tier: str = "strict"
    """The tier of the broker's scan policy that must clear packets of the student's own base family."""
    allow_same_family: tuple[str, ...] = ()
    """Packet names and base families that are taken without that; the report says so."""
    families: Mapping[str, str] = field(default_factory=dict)
    """The true base family of known weights (``sha256:...``), whatever their configuration says."""
    witnesses: tuple[str, ...] = ()
    """Verifier keys of witnesses, ``quorum`` of which must have cosigned the log."""
    quorum: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.teacher_accuracy <= 1:
            raise UsageError(f"policy: teacher_accuracy must be above 0 and at most 1, not {self.teacher_accuracy!r}")
        if not 0 < self.confidence < 1:
            raise UsageError(f"policy: confidence must lie between 0 and 1, not {self.confidence!r}")

    @property
    def kin(self) -> KinPolicy:
        return KinPolicy(self.strict_tier, self.allow_same_family, self.families)


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
    alignment: dict[str, Any] = field(default_factory=dict)
    """``cal``, ``lambdas``, ``deny`` and ``harm`` of `student_agent.align`."""


@dataclass(frozen=True)
class Outcome:
    """What a packet did to a student."""

    packet_id: str
    decision: Decision
    reason: str
    alignment: dict[str, Any]
    behaviour: dict[str, Any] | None
    time: str
    te_low: float = 0.0
    """Lower bound of the transfer efficiency (eq. 22) at the policy's confidence; 0 where nothing was measured."""
    kinship: dict[str, Any] | None = None
    """Why teacher and student are of one base family, and by what the packet was let in all the same."""


Commit = Callable[[State, Active | None, Outcome], None]
"""Writes down what was decided and puts the memory in force, if there is one; called while the state is locked."""


def put_in_force(state: State, adopted: Active | None, _: Outcome) -> None:
    """Activate in place of other versions of the same name. Nothing is written down: for takes that nobody follows."""
    if adopted is not None:
        state.activate(adopted, versions_of(state, adopted))


def versions_of(state: State, adopted: Active) -> list[str]:
    """Ids of the packets in force that have the name of an adopted one."""
    name = state.name(adopted)
    return [each.packet_id for each in state.active() if state.name(each) == name]


def take(
    data: bytes,
    trust: TrustStore,
    student: Student,
    policy: Policy,
    on_progress: OnProgress,
    log: Path,
    run: Run = run_child,
    commit: Commit = put_in_force,
    clear: Clear = nobody,
) -> Outcome:
    """Take the packet in ``data``.

    1. Verify its signature against ``trust``; of the student's own base family it must be cleared (`SameFamily`).
    2. Align it in a child that holds the packet and the student and nothing else; now the student's weights are
       known, and may be of the teacher's family whatever their configuration says.
    3. Check the student's behaviour with it in another child, on the half of the checks that decides; another version
       of the same name that is in force stands back for it, and is compared with it.
    4. Activate it when ``policy`` allows; otherwise nothing was changed and nothing needs undoing.
    """
    # 1.
    verified = verify_packet(data, trust)
    kin = Kin(verified.packet.manifest, own_family(student.model), policy.kin, clear)
    kin.check()
    with tempfile.TemporaryDirectory(dir=_made(student.state), prefix=".take-") as scratch:
        packet, keys, memory = Path(scratch) / "packet.m2kt", Path(scratch) / "keys", Path(scratch) / "memory"
        write_atomically(packet, data)
        keys.mkdir()
        for key_id in verified.key_ids:
            write_public(keys / f"{key_id}.pub", trust[key_id])
        # 2.
        spec = {"packet": str(packet), "trust": str(keys), "out": str(memory), **_learning(student, policy)}
        alignment = run("student_agent", "align", spec, on_progress=on_progress, log=log)
        kin.check(read_card(memory).student_sha256)
        # 3.
        name = verified.packet.manifest.name
        in_child = partial(run, "student_agent", on_progress=on_progress, log=log)
        behaviour = _behaviour(student, name, memory, policy, in_child)
        # 4.
        decision, reason = decide(behaviour, policy)
        te, kinship = te_low(behaviour, policy), kin.cleared
        outcome = Outcome(verified.packet.packet_id, decision, reason, alignment, behaviour, now(), te, kinship)
        state = State(student.state)
        if decision == Decision.ROLLED_BACK:
            commit(state, None, outcome)
        else:
            with state.changing():
                commit(state, state.adopt(memory), outcome)
    return outcome


def now() -> str:
    """The time as outcomes tell it; to the microsecond, so that two decisions of one second are two statements."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _made(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def _learning(student: Student, policy: Policy) -> dict[str, Any]:
    """What an alignment is told of the student and of what it may take."""
    asked = {"domain": policy.domain} if policy.domain else {}
    return {"model": str(student.model), "schedule": student.schedule, **machine(student), **student.alignment, **asked}


def machine(student: Student) -> dict[str, Any]:
    """Where the children of this student work."""
    return {"device": student.device, **({"threads": student.threads} if student.threads else {})}


def _behaviour(
    student: Student, name: str, memory: Path, policy: Policy, run: Callable[[str, dict[str, Any]], dict[str, Any]]
) -> dict[str, Any] | None:
    """Before and after, with the packets of other names in force on both sides; None without checks."""
    if student.checks is None:
        return None
    state = State(student.state)
    beside = state.others(name)
    replaced = [each for each in state.active() if each not in beside]
    spec = {
        "model": str(student.model),
        "memories": [str(memory)],
        "beside": [str(state.memory(each)) for each in beside],
        "replaced": [str(state.memory(each)) for each in replaced],
        "checks": str(student.checks),
        "part": "decide",
        "confidence": policy.confidence,
        **({"general": str(student.general)} if student.general else {}),
        **machine(student),
    }
    return run("verify", spec)


def te_low(behaviour: dict[str, Any] | None, policy: Policy) -> float:
    """Lower bound of ``TE = S / T`` (eq. 22): of S on the checks that decided, over the most that T can be. A student
    knows no teacher's accuracy on its own checks; without a better bound it is 1."""
    low = behaviour.get("accuracy_low_after", 0.0) if behaviour else 0.0
    return min(1.0, float(low) / policy.teacher_accuracy)


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
    older = behaviour.get("accuracy_replaced")
    if older is not None and behaviour["accuracy_after"] < older - policy.regression:
        return Decision.ROLLED_BACK, f"accuracy {behaviour['accuracy_after']:.3f}; the version in force has {older:.3f}"
    before, after = behaviour["perplexity_before"], behaviour["perplexity_after"]
    if before is not None and not after <= before * (1 + policy.perplexity_rise):  # NaN is harm too
        return Decision.ROLLED_BACK, f"perplexity outside the domain rose from {before:.3f} to {after:.3f}"
    unread = "" if before is not None else "; no text outside the domain was at hand"
    return Decision.ACCEPTED, f"improvement of at least {low:.3f} at {behaviour['confidence']:.2f} confidence{unread}"


def predicate(outcome: Outcome, student: str) -> dict[str, Any]:
    """The outcome as the predicate of an attestation: decimals as strings (I-JSON without floats)."""
    told = {"student": student, **asdict(outcome)}
    del told["packet_id"]
    if outcome.kinship is None:
        del told["kinship"]
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
