"""A student's intake with children whose work was done before: for tests that kill it, hundreds of times.

Everything is real but the time: the memory was trained by the real alignment, the verdict is a real verification's.
`run` is what a killed process does (`tests.killing`).
"""

import json
import shutil
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from m2kt.client import Client, LogRules
from m2kt.log import Memory
from m2kt.packet import read_packet
from m2kt.signing import TrustStore
from m2kt.signing.keys import load_private
from student_agent.card import CARD, WEIGHTS, read_card
from student_agent.intake import Intake
from student_agent.take import Policy, Run, Student

MODEL = "sha256:" + "c" * 64
HELPS = {"improvement": 0.5, "improvement_low": 0.4, "confidence": 0.95, "accuracy_after": 1.0}
VERDICT: dict[str, Any] = {**HELPS, "perplexity_before": None, "perplexity_after": None}
HARMS: dict[str, Any] = {**VERDICT, "improvement": -0.5, "improvement_low": -0.6, "accuracy_after": 0.1}


def children(memory: Path, verdict: Mapping[str, Any] = VERDICT, bad: Collection[str] = ()) -> Run:
    """As `run_child`: an alignment leaves the memory, as this packet's; a verification its verdict, and of the
    versions ``bad`` that they harm."""

    def run(module: str, job: str, spec: Mapping[str, Any], **_: Any) -> dict[str, Any]:
        if job == "verify":
            tried = read_card(Path(spec["memories"][0])).packet.rpartition("@")[2]
            return dict(HARMS if tried in bad else verdict)
        packet = read_packet(Path(spec["packet"]).read_bytes())
        out = Path(spec["out"])
        out.mkdir()
        shutil.copy(memory / WEIGHTS, out / WEIGHTS)
        card = replace(read_card(memory), packet_id=packet.packet_id, packet=packet.manifest.reference)
        (out / CARD).write_bytes(card.to_bytes())
        return dict(card.report)

    return run


def intake_of(spec: Mapping[str, Any], verdict: Mapping[str, Any] = VERDICT) -> Intake:
    """Spec: ``broker``, ``key``, ``trust``, ``state``, ``memory``."""
    state, key = Path(spec["state"]), load_private(Path(spec["key"]))
    trust = TrustStore.from_directory(Path(spec["trust"]))
    client = Client(str(spec["broker"]), key, trust, log=LogRules(memory=Memory(state / "log")))
    student = Student(_model(state.parent / "model", str(spec.get("family", "gpt2"))), state, checks=Path("checks"))
    intake = Intake(client, key, trust, student, Policy(), MODEL, state / "log.txt")
    intake.run = children(Path(spec["memory"]), verdict)
    return intake


def _model(home: Path, family: str) -> Path:
    """A directory that says of which family a model would be."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "config.json").write_text(json.dumps({"model_type": family}))
    return home


def run(spec: dict[str, Any]) -> None:
    """What a daemon does about one packet: finish what was begun, take it if it is not in force, report."""
    intake = intake_of(spec)
    with intake.client:
        intake.recover()
        if all(each.packet_id != spec["packet_id"] for each in intake.state.active()):
            intake.take(str(spec["packet_id"]))
        intake.report()


def obey(spec: dict[str, Any]) -> None:
    """The same, of what is ``recalled`` a recall."""
    if not spec.get("recalled"):
        run(spec)
        return
    intake = intake_of(spec)
    with intake.client:
        intake.recover()
        intake.recall(str(spec["packet_id"]), "no good")
        intake.report()
