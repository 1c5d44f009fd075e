"""What each kind of job does. A handler returns its result and the effect to write in the same transaction as it."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from broker.db import transaction
from broker.models import JobKind
from broker.services import jobs, scans
from broker.services.jobs import Claim
from broker.worker.bench import Bench
from broker.worker.lease import Lease
from m2kt.agent.child import run_child, stop
from m2kt.errors import ChildFailed, UsageError
from m2kt.scan import Outcome

MAX_PAUSE_SECONDS = 3600.0


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
    lease.pause(seconds)
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
    return Done(verdict, lambda session: scans.conclude(session, bench.key, packet_id, verdict))


def _verdict(bench: Bench, held: Claim, lease: Lease, data: bytes) -> dict[str, Any]:
    path = scratch(bench, held, "m2kt")
    path.write_bytes(data)
    try:
        status, said = _scanned(bench, held, lease, path)
    finally:
        path.unlink()
    try:
        verdict = json.loads(said)
        agreed = status == (0 if verdict["passed"] else 1) and bool(verdict["checks"])
    except (ValueError, KeyError, TypeError):
        agreed = False
    if not agreed:
        where = scratch(bench, held, "log")
        raise ChildFailed(f"the scan ended with status {status} and no verdict; its log is {where}")
    found: dict[str, Any] = verdict
    return found


def _scanned(bench: Bench, held: Claim, lease: Lease, path: Path) -> tuple[int, bytes]:
    """Exit status and output of ``python -m m2kt.scan``, which leads a process group of its own."""
    with scratch(bench, held, "log").open("ab") as errors:
        child = subprocess.Popen(
            [sys.executable, "-m", "m2kt.scan", str(path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
    lease.guard(child.pid)
    try:
        said, _ = child.communicate(timeout=bench.settings.scan_seconds)
    except subprocess.TimeoutExpired as error:
        raise ChildFailed(f"the scan took longer than {bench.settings.scan_seconds:g} seconds") from error
    finally:
        stop(child)
        lease.release()
    return child.returncode, said


def extract(bench: Bench, held: Claim, lease: Lease) -> Done:
    """``python -m teacher_agent extract``, signed by the worker and published here."""
    if bench.settings.worker_key is None:
        raise UsageError("this worker has no key to sign packets with", hint="Set M2KT_WORKER_KEY to its key file.")
    given = {
        "key": str(bench.settings.worker_key.absolute()),
        "out": str(scratch(bench, held, "m2kt")),
        "broker": bench.settings.public_url,
    }
    return _child(bench, held, lease, "teacher_agent", "extract", given)


def align(bench: Bench, held: Claim, lease: Lease) -> Done:
    """``python -m student_agent align``."""
    return _child(bench, held, lease, "student_agent", "align", {})


def _child(bench: Bench, held: Claim, lease: Lease, module: str, job: str, given: dict[str, Any]) -> Done:
    # The database's password and the broker's key are none of a job's business.
    hidden = dict.fromkeys(("M2KT_DATABASE_URL", "M2KT_REDIS_URL", "M2KT_BROKER_KEY", "M2KT_ADMIN_KEYS"), "")
    try:
        result = run_child(
            module,
            job,
            {**held.spec, **given},
            on_progress=lease.report,
            log=scratch(bench, held, "log"),
            env=hidden,
            on_start=lease.guard,
        )
    finally:
        lease.release()
    return Done(result)


def scratch(bench: Bench, held: Claim, suffix: str) -> Path:
    """``work_dir/jobs/<id>-<attempt>.<suffix>``: no two attempts share a file."""
    folder = bench.settings.work_dir.absolute() / "jobs"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder / f"{held.id}-{held.attempt}.{suffix}"


HANDLERS: dict[JobKind, Handler] = {
    JobKind.NOOP: noop,
    JobKind.SCAN: scan,
    JobKind.EXTRACT: extract,
    JobKind.ALIGN: align,
}
