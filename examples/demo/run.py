"""The demo, step by step. Programs are run as processes, as on real hosts; nothing here reaches into them."""

import contextlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from examples.demo.control import Control, write_controls
from examples.demo.settings import Settings
from examples.demo.steps import Steps
from m2kt.agent.child import OnProgress, Progress, run_child
from m2kt.client import Client
from m2kt.dev.runtime import Runtime
from m2kt.errors import RuntimeFault
from m2kt.signing import PrivateKey, PublicKey, TrustStore
from m2kt.signing.keys import generate, load_private, load_public, write_private, write_public


def _silent(_: Progress) -> None:
    """Shows nothing."""


ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

Json = dict[str, Any]


@dataclass(frozen=True)
class Findings:
    """Everything that the report is made of."""

    extraction: Json
    outcome: Json
    alignments: dict[str, Json]  # by control
    verdicts: dict[str, Json]  # teacher, student and controls, on the half of the checks kept for the report
    logits: dict[str, str]  # before, during, after: SHA-256
    packet_id: str
    packet: Path
    memory: Path


@dataclass(frozen=True)
class Place:
    """Where a broker listens, its operator's key, and the public key that it signs with."""

    url: str
    admin: PrivateKey
    broker_key: PublicKey


class Demo:
    """One run against a broker."""

    def __init__(self, settings: Settings, place: Place, steps: Steps) -> None:
        self._settings, self._steps = settings, steps
        self._url, self._admin, self._broker_key = place.url, place.admin, place.broker_key
        self._packet = settings.root / "packet.m2kt"

    def run(self) -> Findings:
        """All steps in order."""
        self._enrol()
        extraction = self._teach()
        packet_id = extraction["packet_id"]
        self._await_approval(packet_id)
        logits = {"before": self._logits("before")}
        outcome, alignments = self._align(packet_id)
        logits["during"] = self._logits("during")
        memory = self._active_memory()
        verdicts = self._verify(list(alignments))
        kept = self._keep(memory)
        self._revoke(packet_id)
        logits["after"] = self._logits("after")
        return Findings(extraction, outcome, alignments, verdicts, logits, packet_id, self._packet, kept)

    # Steps

    def _enrol(self) -> None:
        with self._steps.step("enrol", "teacher and student make their keys; the broker's admin registers them"):
            with Client(self._url, self._admin) as client:
                for role in ("teacher", "student", "control"):
                    write_private(self._settings.keys / f"{role}.key", generate())
                    public = self._key(role).public_key()
                    write_public(self._settings.keys / f"{role}.pub", public)
                    if role != "control":
                        client.register_agent(f"demo-{role}", role, public)
            write_public(self._settings.trust / "teacher.pub", self._key("teacher").public_key())
            write_public(self._settings.trust / "broker.pub", self._broker_key)

    def _teach(self) -> Json:
        with self._steps.step("extract", "the teacher agent extracts, builds, signs and publishes a packet") as show:
            spec = {
                "model": str(self._settings.teacher),
                "domain": self._settings.domain,
                "name": self._settings.packet,
                "version": self._settings.version,
                "key": str(self._settings.keys / "teacher.key"),
                "out": str(self._packet),
                "broker": self._url,
                "settings": {"probes": self._settings.probes, "seed": self._settings.seed, **self._settings.extraction},
                "device": self._settings.device,
            }
            found = self._child("teacher_agent", "extract", spec, show)
        self._steps.tell(f"{found['packet_id']}")
        self._steps.tell(
            f"{found['concepts']} concepts, {found['bytes']} bytes, coverage {_rounded(found['coverage'])}"
        )
        return found

    def _await_approval(self, packet_id: str) -> None:
        says = "the broker verifies and scans it, approves it and signs a receipt"
        with self._steps.step("scan", says), Client(self._url, trust=TrustStore([self._broker_key])) as client:
            found = client.wait_for_state(packet_id, {"approved", "rejected"})
            if found["state"] != "approved":
                raise RuntimeFault(f"the broker rejected the packet: {found.get('reason')}")
            client.receipt(packet_id)

    def _align(self, packet_id: str) -> tuple[Json, dict[str, Json]]:
        """The student takes the packet; beside it the controls are aligned the same way, one thread each."""
        with self._steps.step("align", "the student aligns and verifies it; controls are aligned beside it") as show:
            made = write_controls(
                self._packet, self._settings.root / "controls", self._key("control"), self._settings.seed
            )
            with ThreadPoolExecutor(self._settings.workers) as pool:
                taking = pool.submit(self._child, "student_agent", "take", self._take_spec(packet_id), show)
                aligning = {each.name: pool.submit(self._align_control, each) for each in made}
                outcome = taking.result()
                alignments = {name: future.result() for name, future in aligning.items()}
        self._steps.tell(f"{outcome['decision']}: {outcome['reason']}")
        return outcome, alignments

    def _verify(self, controls: Sequence[str]) -> dict[str, Json]:
        """Everybody answers the half of the sealed checks that nothing was decided on: the teacher in one process;
        in another the student, with the packet's memory and with each control's."""
        common = {"checks": str(self._settings.checks), "part": "report", "threads": 1, "device": self._settings.device}
        student = {
            "model": str(self._settings.student),
            "general": str(self._settings.general),
            "state": str(self._settings.state),
            "others": {name: [str(self._control_memory(name))] for name in controls},
        }
        says = "teacher, student and controls answer the checks kept for the report"
        with self._steps.step("measure", says) as show, ThreadPoolExecutor(self._settings.workers) as pool:
            taught = pool.submit(self._child, "student_agent", "verify", {**student, **common}, show)
            teacher = {"model": str(self._settings.teacher), **common}
            verdicts = {"teacher": self._child("student_agent", "verify", teacher), "student": taught.result()}
            return {**verdicts, **verdicts["student"]["others"]}

    def _revoke(self, packet_id: str) -> None:
        with self._steps.step("revoke", "the packet is revoked; the student obeys the recall"):
            with Client(self._url, self._admin) as client:
                client.revoke(packet_id, "end of the demonstration")
            found = self._child("student_agent", "recall", {"state": str(self._settings.state), "broker": self._url})
            if found["removed"] != [packet_id]:
                raise RuntimeFault(f"the student removed {found['removed']}, not the revoked packet")

    # Parts of steps

    def _logits(self, when: str) -> str:
        with self._steps.step(
            f"logits {when}", f"a fresh process writes the student's logits on fixed prompts ({when})"
        ):
            spec = {
                "model": str(self._settings.student),
                "prompts": str(self._settings.prompts),
                "state": str(self._settings.state),
                "out": str(self._settings.root / f"logits-{when}.bin"),
                "threads": 1,
                "device": self._settings.device,
            }
            digest: str = self._child("student_agent", "logits", spec)["sha256"]
        self._steps.tell(digest)
        return digest

    def _take_spec(self, packet_id: str) -> Json:
        return {
            "packet_id": packet_id,
            "broker": self._url,
            "key": str(self._settings.keys / "student.key"),
            "trust": str(self._settings.trust),
            "model": str(self._settings.student),
            "state": str(self._settings.state),
            "checks": str(self._settings.checks),
            "general": str(self._settings.general),
            "log": str(self._settings.logs / "take.log"),
            "device": self._settings.device,
            "threads": 1,
            "schedule": {"steps": self._settings.steps, "seed": self._settings.seed},
        }

    def _align_control(self, control: Control) -> Json:
        spec = {
            "packet": str(control.path),
            "trust": str(self._settings.keys / "control.pub"),
            "model": str(self._settings.student),
            "out": str(self._control_memory(control.name)),
            "device": self._settings.device,
            "threads": 1,
            "schedule": {"steps": self._settings.steps, "seed": self._settings.seed},
        }
        return self._child("student_agent", "align", spec)

    def _control_memory(self, name: str) -> Path:
        return self._settings.root / "controls" / name

    def _active_memory(self) -> Path:
        (memory,) = (self._settings.state / "memories").iterdir()
        return memory

    def _keep(self, memory: Path) -> Path:
        """A copy of the memory's weights for the report: revocation deletes the original."""
        kept = self._settings.root / "aligned"
        kept.mkdir(exist_ok=True)
        (kept / "memory.safetensors").write_bytes((memory / "memory.safetensors").read_bytes())
        return kept

    def _key(self, role: str) -> PrivateKey:
        return load_private(self._settings.keys / f"{role}.key")

    def _child(self, module: str, job: str, spec: Json, show: OnProgress = _silent) -> Json:
        log = self._settings.logs / f"{module}-{job}.log"
        return run_child(module, job, spec, on_progress=show, log=log, env=ONE_THREAD)


def _rounded(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in values.items())


@contextlib.contextmanager
def broker(settings: Settings, steps: Steps, keep: bool) -> Iterator[tuple[Place, Runtime]]:
    """Servers, broker and worker, brought up for the demo and taken down after it unless they are to be kept."""
    runtime = Runtime(settings.root / "runtime")
    try:
        with steps.step("start", "Postgres, Valkey, broker and worker start on loopback"):
            addresses = runtime.up(on_step=steps.tell)
        assert addresses.broker_url
        assert addresses.admin_key
        broker_key = load_public(runtime.layout.keys / "broker.pub")
        yield Place(addresses.broker_url, load_private(addresses.admin_key), broker_key), runtime
    except BaseException:
        runtime.down()
        raise
    if not keep:
        runtime.down()
