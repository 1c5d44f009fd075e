"""What each kind of job does. A handler returns its result and the effect to write in the same transaction as it."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from broker.db import transaction
from broker.models import JobKind
from broker.services import agents, jobs, packets, scans
from broker.services.jobs import Claim
from broker.worker.bench import Bench
from broker.worker.lease import Lease
from broker.worker.options import environment
from m2kt.agent.child import run_child, stop
from m2kt.agent.memory import vram_used_mib
from m2kt.errors import ChildFailed, TimeLimit, UsageError
from m2kt.files import disk_errors
from m2kt.lifeline import LIFELINE, Lifeline
from m2kt.scan import Outcome
from m2kt.signing.keys import TrustStore, write_public

MAX_PAUSE_SECONDS = 3600.0
MAX_VERDICT_BYTES = 4 << 20


@dataclass(frozen=True)
class Done:
    result: dict[str, Any]
    effect: Callable[[Session], None] = lambda _: None


Handler = Callable[[Bench, Claim, Lease], Done]


def noop(bench: Bench, held: Claim, lease: Lease) -> Done:
    """Wait for ``seconds``, then echo the spec: shows that the worker works."""
    seconds = held.spec.get("seconds", 0)
    if not isinstance(seconds, int | float) or not 0 <= seconds <= MAX_PAUSE_SECONDS:
        raise UsageError(f"seconds must be a number from 0 to {MAX_PAUSE_SECONDS:g}")
    limit = time_limit(bench, held)
    lease.pause(min(seconds, limit or seconds))
    if limit and seconds > limit:
        raise TimeLimit(f"noop did not finish within {limit:g} s and was ended")
    return Done({"echo": held.spec})


def scan(bench: Bench, held: Claim, lease: Lease) -> Done:
    """Run the checks in a child of their own: hostile bytes may crash or hang it, and that must not count as clean."""
    packet_id = held.packet_id or ""
    with transaction(bench.sessions) as session:
        jobs.renew(session, held, bench.settings.lease_seconds)  # only the job's owner may move the packet
        data = scans.begin(session, bench.key, bench.store, packet_id)
    if data is None:
        return Done({"skipped": "the packet was decided before its scan began"})
    verdict = _verdict(bench, held, lease, data)
    outcomes = {each["outcome"] for each in verdict["checks"]}
    if Outcome.ERROR in outcomes and Outcome.FAIL not in outcomes:
        broken = [each["name"] for each in verdict["checks"] if each["outcome"] == Outcome.ERROR]
        raise ChildFailed(f"the checks {', '.join(broken)} broke: {verdict['checks']}")
    approvals = bench.settings.required_approvals
    return Done(verdict, lambda session: scans.conclude(session, bench.key, packet_id, verdict, approvals=approvals))


def _verdict(bench: Bench, held: Claim, lease: Lease, data: bytes) -> dict[str, Any]:
    path = scratch(bench, held, "m2kt")
    try:
        with disk_errors(path):
            path.write_bytes(data)
        status, said = _scanned(bench, held, lease, path)
    finally:
        path.unlink(missing_ok=True)
    try:
        verdict = json.loads(said)
        agreed = status == (0 if verdict["passed"] else 1) and bool(verdict["checks"])
    except (ValueError, KeyError, TypeError):
        agreed = False
    if not agreed:
        raise ChildFailed(f"the scan ended with status {status} and without a verdict")
    found: dict[str, Any] = verdict
    return found


def _scanned(bench: Bench, held: Claim, lease: Lease, path: Path) -> tuple[int, bytes]:
    """Exit status and output of ``python -m m2kt.scan``, in its own process group and with no secrets around it."""
    seconds, lifeline = bench.settings.scan_seconds, lease.lifeline
    with disk_errors(path), log_file(bench, held).open("ab") as errors:
        child = subprocess.Popen(
            [sys.executable, "-m", "m2kt.scan", str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=_scan_environment(bench, lifeline),
            start_new_session=True,
        )
    try:
        assert child.stdin
        lease.guard(child.pid, log_file(bench, held))
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
        "M2KT_SCAN_MEMORY_MIB": str(bench.settings.scan_memory_mib),
        "M2KT_SCAN_SECONDS": f"{bench.settings.scan_seconds + 1:g}",
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


def extract(bench: Bench, held: Claim, lease: Lease) -> Done:
    """``python -m teacher_agent extract``, which signs with the worker's key and publishes here."""
    if bench.settings.worker_key is None:
        raise UsageError("this worker has no key to sign packets with", hint="Set M2KT_WORKER_KEY to its key file.")
    given = {
        "key": str(bench.settings.worker_key.absolute()),
        "out": str(scratch(bench, held, "m2kt")),
        "broker": bench.settings.public_url,
        "project": held.project,
    }
    return _child(bench, held, lease, "teacher_agent", "extract", {**held.spec, **given})


def align(bench: Bench, held: Claim, lease: Lease) -> Done:
    """``python -m student_agent align`` on an approved packet; the memory stays in the worker's folder."""
    packet, trust = scratch(bench, held, "m2kt"), scratch(bench, held, "trust")
    with disk_errors(packet), transaction(bench.sessions) as session:
        found = packets.pullable(session, str(held.spec["packet_id"]))
        packet.write_bytes(packets.content(session, bench.store, found, 0, found.size))
        _write_trust(trust, _signers(session, bench, found.packet_id))
    given = {"packet": str(packet), "trust": str(trust), "out": str(scratch(bench, held, "memory"))}
    ordered = {name: each for name, each in held.spec.items() if name != "packet_id"}
    return _child(bench, held, lease, "student_agent", "align", {**ordered, **given})


def _signers(session: Session, bench: Bench, packet_id: str) -> TrustStore:
    """Keys that signed the packet; that one of them counts, `packets.pullable` has seen."""
    signed = (each.key_id for each in packets.signatures(session, [packet_id])[packet_id])
    return agents.trusted(session, bench.standing, signed, agents.PUBLISHING)


def _write_trust(folder: Path, trust: TrustStore) -> None:
    folder.mkdir(mode=0o700)
    for name, key in trust.items():
        write_public(folder / f"{name}.pub", key)


def _child(bench: Bench, held: Claim, lease: Lease, module: str, job: str, spec: dict[str, Any]) -> Done:
    # The database's password and the broker's key are none of a job's business.
    hidden = dict.fromkeys(
        ("M2KT_DATABASE_URL", "M2KT_REDIS_URL", "M2KT_BROKER_KEY", "M2KT_BROKER_KEY_PEM", "M2KT_ADMIN_KEYS"), ""
    )
    log = log_file(bench, held)
    if bench.device is not None:
        spec = {"device": bench.device.partition(":")[0], **spec}
    before = vram_used_mib(bench.device)
    try:
        result = run_child(
            module,
            job,
            spec,
            on_progress=lease.report,
            log=log,
            env={**hidden, **environment(bench.device, bench.visible)},
            timeout=time_limit(bench, held),
            on_start=lambda pid: lease.guard(pid, log),
            lifeline=lease.lifeline,
        )
        return Done(result)
    finally:
        lease.release()
        if before is not None:
            lease.remark("vram", device=bench.device, before_mib=before, after_mib=vram_used_mib(bench.device))


def time_limit(bench: Bench, held: Claim) -> float | None:
    """Seconds that an attempt may take: what the job asks for, and never more than this worker grants."""
    limits = [each for each in (held.limit_seconds, bench.options.limit_seconds) if each]
    return min(limits, default=None)


def log_file(bench: Bench, held: Claim) -> Path:
    """``work_dir/jobs/<id>-<attempt>.log``."""
    return _folder(bench) / f"{held.id}-{held.attempt}.log"


def scratch(bench: Bench, held: Claim, suffix: str) -> Path:
    """A path that no other claim has: the fence grows also where an attempt that was handed back does not count."""
    return _folder(bench) / f"{held.id}-fence{held.fence}.{suffix}"


def files(bench: Bench, held: Claim) -> list[Path]:
    """The scratch of this very claim; the log stays."""
    return list(_folder(bench).glob(f"{held.id}-fence{held.fence}.*"))


def _folder(bench: Bench) -> Path:
    folder = bench.settings.work_dir.absolute() / "jobs"
    with disk_errors(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


HANDLERS: dict[str, Handler] = {
    JobKind.NOOP: noop,
    JobKind.SCAN: scan,
    JobKind.EXTRACT: extract,
    JobKind.ALIGN: align,
}
