"""Scans: the checks in a child of their own, with limits and without a network, secrets or a lease to lose.

Hostile bytes may crash it or hang it; whatever ends it without a verdict is inconclusive, and never clean.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from broker.db import transaction
from broker.services import attestations, jobs, packets, scans
from broker.services.approvals import Approvals
from broker.services.jobs import Claim
from broker.worker.bench import Bench
from broker.worker.children import Done, log_file, scratch
from broker.worker.detonation import detonate
from broker.worker.lease import Lease
from m2kt.agent.child import stop
from m2kt.client.predicates import DETONATION
from m2kt.errors import ChildFailed
from m2kt.files import disk_errors
from m2kt.lifeline import LIFELINE, Lifeline
from m2kt.packet.static import is_static
from m2kt.scan import Decision, Outcome, Policy
from m2kt.scan.check import KNOWLEDGE
from m2kt.solitude import SOLITARY

MAX_VERDICT_BYTES = 4 << 20
MAX_FILES = 64
"""Descriptors of a scan: it opens a packet, its references one by one, and modules."""


@dataclass(frozen=True)
class Material:
    """What one scan looks at: the packet's bytes, and those of the packets that it is compared with."""

    data: bytes
    references: tuple[bytes, ...]
    publisher: str
    teaches: bool
    """Whether there is something in it that a student could be tried with."""


def scan(bench: Bench, held: Claim, lease: Lease) -> Done:
    """Run the checks in a child of their own: hostile bytes may crash or hang it, and that must not count as clean."""
    packet_id = held.packet_id or ""
    with transaction(bench.sessions) as session:
        jobs.renew(session, held, bench.settings.lease_seconds)  # only the job's owner may move the packet
        material = _material(session, bench, packet_id)
    if material is None:
        return Done({"skipped": "the packet was decided before its scan began"})
    verdict, measured = _verdict(bench, held, lease, material), None
    outcomes = _outcomes(verdict)
    if bench.settings.detonation and material.teaches and not outcomes & {Outcome.FAIL, Outcome.ERROR}:
        measured = detonate(bench, held, lease, packet_id, material.data)
        verdict = _verdict(bench, held, lease, material, measured)
        outcomes = _outcomes(verdict)
    if Outcome.ERROR in outcomes and Outcome.FAIL not in outcomes:
        broken = [each["name"] for each in verdict["checks"] if each["outcome"] == Outcome.ERROR]
        raise ChildFailed(f"the checks {', '.join(broken)} broke: {verdict['checks']}")
    if verdict.get("decision") == Decision.INCONCLUSIVE:
        raise ChildFailed(f"the scan is inconclusive: {verdict['reason']}")
    return Done(verdict, lambda session: _conclude(session, bench, packet_id, verdict, measured))


def _outcomes(verdict: dict[str, Any]) -> set[str]:
    return {each["outcome"] for each in verdict["checks"]}


def _material(session: Session, bench: Bench, packet_id: str) -> Material | None:
    data = scans.begin(session, bench.key, bench.store, packet_id)
    if data is None:
        return None
    packet = packets.get(session, packet_id)
    others = scans.compared_with(session, packet)
    held = tuple(b"".join(bench.store.read(session, each.content_sha256, 0, each.size)) for each in others)
    decides = packet.kind in KNOWLEDGE and not is_static([each["name"] for each in packet.manifest["tensors"]])
    return Material(data, held, packet.publisher, decides)


def _conclude(
    session: Session, bench: Bench, packet_id: str, verdict: dict[str, Any], measured: dict[str, Any] | None
) -> None:
    if measured is not None:
        packets.hold(session, packet_id)
        attestations.state(session, bench.key, packet_id, DETONATION, measured)
    policy = Approvals(bench.settings.required_approvals, bench.settings.approvals)
    approvals = policy.needed(packets.get(session, packet_id))
    life = timedelta(days=bench.settings.verdict_days)
    scans.conclude(session, bench.key, packet_id, verdict, approvals=approvals, life=life)


def _verdict(
    bench: Bench, held: Claim, lease: Lease, material: Material, measured: dict[str, Any] | None = None
) -> dict[str, Any]:
    with _written(bench, held, material, measured) as (paths, told):
        status, said = _scanned(bench, held, lease, [*_arguments(bench, material, paths), *told])
    try:
        verdict = json.loads(said)
        agreed = status == (0 if verdict["passed"] else 1) and bool(verdict["checks"])
    except (ValueError, KeyError, TypeError):
        agreed = False
    if not agreed:
        raise ChildFailed(f"the scan ended with status {status} and without a verdict")
    found: dict[str, Any] = verdict
    return found


@contextmanager
def _written(
    bench: Bench, held: Claim, material: Material, measured: dict[str, Any] | None
) -> Iterator[tuple[list[Path], list[str]]]:
    """The packet's file and its references' files, for as long as the scan runs; and what names the measurement's."""
    files = {f"{number}.m2kt": data for number, data in enumerate((material.data, *material.references))}
    paths = [scratch(bench, held, name) for name in files]
    told = scratch(bench, held, "measured.json")
    try:
        for path, data in zip([*paths, told], [*files.values(), json.dumps(measured).encode()], strict=True):
            with disk_errors(path):
                path.write_bytes(data)
        yield paths, ["--detonation", str(told)] if measured is not None else []
    finally:
        for path in (*paths, told):
            path.unlink(missing_ok=True)


def _arguments(bench: Bench, material: Material, paths: Sequence[Path]) -> list[str]:
    """The command line; a policy is read anew for each scan, so that a new one counts from the next on."""
    packet, *references = map(str, paths)
    given = [packet, *(word for each in references for word in ("--reference", each))]
    path = bench.settings.scan_policy
    if path is None:
        return given
    with disk_errors(path):
        policy = Policy.from_bytes(path.read_bytes())
    tier = policy.publishers.get(material.publisher, policy.tier)
    return [*given, "--policy", str(path.absolute()), "--tier", tier]


def _scanned(bench: Bench, held: Claim, lease: Lease, arguments: Sequence[str]) -> tuple[int, bytes]:
    """Exit status and output of ``python -m m2kt.scan``, in its own process group and with no secrets around it."""
    seconds, lifeline = bench.settings.scan_seconds, lease.lifeline
    log = log_file(bench, held)
    with disk_errors(log), log.open("ab") as errors:
        child = subprocess.Popen(
            [sys.executable, "-m", "m2kt.scan", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=_scan_environment(bench, lifeline),
            start_new_session=True,
        )
    try:
        assert child.stdin
        lease.guard(child.pid, log)
        lifeline.hold(child.stdin)
        said = _heard(child, seconds)
    finally:
        lifeline.let_go()
        stop(child)
        lease.release()
    return child.returncode, said


def _scan_environment(bench: Bench, lifeline: Lifeline) -> dict[str, str]:
    return {
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "OPENBLAS_NUM_THREADS": "1",
        LIFELINE: f"{lifeline.patience:g}",
        SOLITARY: "1",
        "M2KT_SCAN_MEMORY_MIB": str(bench.settings.scan_memory_mib),
        "M2KT_SCAN_SECONDS": f"{bench.settings.scan_seconds + 1:g}",
        "M2KT_SCAN_FILES": str(MAX_FILES),
    }


def _heard(child: subprocess.Popen[bytes], seconds: float) -> bytes:
    """What the child said until it ended. Not `communicate`: that would close the lifeline at once."""
    assert child.stdout
    late = threading.Event()

    def end() -> None:
        late.set()
        child.kill()

    timer = threading.Timer(seconds, end)
    timer.start()
    try:
        said = child.stdout.read(MAX_VERDICT_BYTES)
        child.wait()
    finally:
        timer.cancel()
    if late.is_set():
        raise ChildFailed(f"the scan took longer than {seconds:g} seconds")
    return said
