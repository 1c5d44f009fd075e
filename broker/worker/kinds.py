"""What each kind of job does. A handler returns its result and the effect to write in the same transaction as it."""

import json
import os
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from broker.db import transaction
from broker.models import JobKind
from broker.services import jobs, packets, scans
from broker.services.approvals import Approvals
from broker.services.jobs import Claim
from broker.worker.bench import Bench
from broker.worker.children import (
    Done,
    Handler,
    aggregate,
    align,
    exchange,
    extract,
    log_file,
    scratch,
    time_limit,
    verify,
)
from broker.worker.lease import Lease
from m2kt.agent.child import stop
from m2kt.errors import ChildFailed, TimeLimit, UsageError
from m2kt.files import disk_errors
from m2kt.lifeline import LIFELINE, Lifeline
from m2kt.scan import Outcome

MAX_PAUSE_SECONDS = 3600.0
MAX_VERDICT_BYTES = 4 << 20


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
    return Done(verdict, lambda session: _conclude(session, bench, packet_id, verdict))


def _conclude(session: Session, bench: Bench, packet_id: str, verdict: dict[str, Any]) -> None:
    policy = Approvals(bench.settings.required_approvals, bench.settings.approvals)
    approvals = policy.needed(packets.get(session, packet_id))
    life = timedelta(days=bench.settings.verdict_days)
    scans.conclude(session, bench.key, packet_id, verdict, approvals=approvals, life=life)


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


HANDLERS: dict[str, Handler] = {
    JobKind.NOOP: noop,
    JobKind.SCAN: scan,
    JobKind.EXTRACT: extract,
    JobKind.ALIGN: align,
    JobKind.VERIFY: verify,
    JobKind.AGGREGATE: aggregate,
    JobKind.EXCHANGE: exchange,
}
