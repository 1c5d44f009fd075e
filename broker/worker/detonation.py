"""Detonation: a packet is tried on a small reference student before anybody else gets it.

In child processes without a network, otherwise as any alignment: the packet becomes a memory beside the student, and
what the student says to a canary suite and a capability suite is compared before and after. What was measured goes to
the scan's check `detonation`, and is signed. A child that crashed or took too long leaves no measurement: the scan is
inconclusive.

    M2KT_DETONATION/model/             a Hugging Face directory
    M2KT_DETONATION/canary.jsonl       checks whose answers no packet of any domain should change
    M2KT_DETONATION/capability.jsonl   checks of what the student can do
    M2KT_DETONATION/general.txt        text to measure perplexity on
    M2KT_DETONATION/schedule.json      optional: `student_agent.training.Schedule`
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from broker.db import transaction
from broker.services.jobs import Claim
from broker.worker.bench import Bench
from broker.worker.children import in_child, scratch, signers
from broker.worker.lease import Lease
from m2kt.agent.directory import digest
from m2kt.errors import AlignmentRefused, UsageError
from m2kt.files import disk_errors
from m2kt.signing.keys import write_public
from m2kt.solitude import SOLITARY

SUITES = ("canary", "capability")


@dataclass(frozen=True)
class Reference:
    """The student that packets are tried on, and what it is asked."""

    root: Path

    @property
    def model(self) -> Path:
        return self.root / "model"

    @property
    def general(self) -> Path:
        return self.root / "general.txt"

    def checks(self, suite: str) -> Path:
        return self.root / f"{suite}.jsonl"

    @property
    def schedule(self) -> dict[str, Any]:
        path = self.root / "schedule.json"
        found: dict[str, Any] = json.loads(path.read_bytes()) if path.exists() else {}
        return found

    def require(self) -> None:
        """`UsageError` names what is missing: without it nothing can be tried, so nothing is clean."""
        wanted = (self.model / "config.json", self.general, *map(self.checks, SUITES))
        missing = ", ".join(str(each.relative_to(self.root)) for each in wanted if not each.is_file())
        if missing:
            raise UsageError(
                f"the reference student lacks {missing}", hint="docs/scan.md says what M2KT_DETONATION must hold."
            )


def detonate(bench: Bench, held: Claim, lease: Lease, packet_id: str, data: bytes) -> dict[str, Any]:
    """What the packet did to the reference student, decimals as strings; `ChildFailed` and `TimeLimit` when a child
    did not come to an end. ``refused``: it cannot be aligned with this student, so nothing was measured."""
    assert bench.settings.detonation
    reference = Reference(bench.settings.detonation.absolute())
    reference.require()
    about = {"student": digest(reference.root)}
    memory = scratch(bench, held, "detonation")
    try:
        _align(bench, held, lease, reference, packet_id, data, memory)
        told = {suite: _verify(bench, held, lease, reference, suite, memory) for suite in SUITES}
    except AlignmentRefused as error:
        return {**about, "refused": error.detail}
    finally:
        shutil.rmtree(memory, ignore_errors=True)
    return {**about, **measured(told)}


def measured(told: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Accuracies of both suites and perplexity, before and after."""
    found = {f"{suite}_{when}": told[suite][f"accuracy_{when}"] for suite in SUITES for when in ("before", "after")}
    found |= {f"perplexity_{when}": told["canary"][f"perplexity_{when}"] for when in ("before", "after")}
    return {name: f"{value:.6g}" for name, value in found.items()}


def _align(
    bench: Bench, held: Claim, lease: Lease, reference: Reference, packet_id: str, data: bytes, memory: Path
) -> None:
    packet, trust = scratch(bench, held, "detonated"), scratch(bench, held, "detonators")
    try:
        with disk_errors(packet), transaction(bench.sessions) as session:
            packet.write_bytes(data)
            trust.mkdir(mode=0o700)
            for name, key in signers(session, bench, packet_id).items():
                write_public(trust / f"{name}.pub", key)
        spec = {"packet": str(packet), "trust": str(trust), "model": str(reference.model), "out": str(memory)}
        _run(bench, held, lease, "align", {**spec, "schedule": reference.schedule})
    finally:
        packet.unlink(missing_ok=True)
        shutil.rmtree(trust, ignore_errors=True)


def _verify(
    bench: Bench, held: Claim, lease: Lease, reference: Reference, suite: str, memory: Path
) -> Mapping[str, Any]:
    spec = {"model": str(reference.model), "memories": [str(memory)], "checks": str(reference.checks(suite))}
    return _run(bench, held, lease, "verify", {**spec, "general": str(reference.general)})


def _run(bench: Bench, held: Claim, lease: Lease, job: str, spec: dict[str, Any]) -> Mapping[str, Any]:
    seconds = bench.settings.detonation_seconds
    return in_child(bench, held, lease, "student_agent", job, spec, seconds, {SOLITARY: "1"}).result
