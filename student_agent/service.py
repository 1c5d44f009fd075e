"""The take job: a packet from the broker, taken and reported."""

import os
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from m2kt.agent.child import OnProgress, progress
from m2kt.agent.directory import digest
from m2kt.client import Client, LogRules
from m2kt.errors import UsageError
from m2kt.log import Memory, NoteKey
from m2kt.signing import PrivateKey, TrustStore
from m2kt.signing.keys import load_private
from student_agent.intake import Intake
from student_agent.specs import check_spec
from student_agent.take import Outcome, Policy, Student

REQUIRED = ("packet_id", "broker", "key", "trust", "model", "state")
OPTIONAL = ("checks", "general", "device", "threads", "schedule", "alignment", "policy", "log", "session")


def take_from_broker(
    packet_id: str,
    broker: str,
    key: PrivateKey,
    trust: TrustStore,
    student: Student,
    policy: Policy,
    on_progress: OnProgress,
    log: Path,
    session: str | None = None,
) -> Outcome:
    """Pull ``packet_id``, take it (`take`), and report what it did, signed by this student's key.

    The last checkpoint of the broker's log is kept beside the student's state, so that a log that changes its past, or
    stands still, shows. What an earlier take left undone or untold is caught up with first.
    """
    with Client(broker, key, trust, log=log_rules(student, policy), session=session) as client:
        intake = Intake(client, key, trust, student, policy, digest(student.model), log, on_progress)
        intake.recover()
        outcome = intake.take(packet_id)
        intake.report()
    return outcome


def log_rules(student: Student, policy: Policy) -> LogRules:
    return LogRules(
        required=policy.require_log,
        wait_seconds=policy.log_seconds,
        witnesses=tuple(NoteKey.parse(each) for each in policy.witnesses),
        quorum=policy.quorum,
        memory=Memory(student.state / "log"),
    )


def run(spec: dict[str, Any]) -> dict[str, Any]:
    """The take job. Spec: ``packet_id``, ``broker``, ``key``, ``trust``, ``model``, ``state``; optional ``checks``,
    ``general``, ``device``, ``threads``, ``schedule``, ``alignment`` (`Student`), ``policy`` (fields of `Policy`),
    ``log``, ``session`` of the agent whose child this is."""
    check_spec(spec, REQUIRED, OPTIONAL)
    places: dict[str, Any] = {name: Path(spec[name]) for name in ("checks", "general") if spec.get(name)}
    machine = {name: spec[name] for name in ("device", "threads", "schedule", "alignment") if spec.get(name)}
    student = Student(Path(spec["model"]), Path(spec["state"]), **places, **machine)
    outcome = take_from_broker(
        spec["packet_id"],
        spec["broker"],
        load_private(Path(spec["key"])),
        TrustStore.from_path(Path(spec["trust"])),
        student,
        policy_of(spec.get("policy", {})),
        lambda each: progress(each.step, each.done, each.total),
        Path(spec.get("log", os.devnull)),
        spec.get("session"),
    )
    return asdict(outcome)


def policy_of(given: dict[str, Any]) -> Policy:
    """The policy with what was given; `UsageError` for a field that does not exist."""
    known = {each.name for each in fields(Policy)}
    if unknown := sorted(set(given) - known):
        raise UsageError(f"policy: unknown {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    told: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    return Policy(**told)
