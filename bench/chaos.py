"""Broker, worker, child, Redis and Postgres are killed with -9 in turn, under load: what is lost, done twice, or stuck?

    python -m bench.chaos --json --kills 40

Everything runs in a temporary directory, with leases of three seconds. Beside the kills, agents are stopped (SIGSTOP)
until their leases are over and then try to finish, and the worker itself is stopped now and then. Jobs, packets and
their effects are compared with what was acknowledged once the load has ended and the ledger had time to settle.

``lost``: acknowledged and not done, or done without its packet. ``double_effects``: jobs that succeeded twice, packets
with two verdicts, packets of an attempt that did not succeed.
``stuck``: not ended at the end. ``recovery``: from a kill until a job ordered after it is done and every job that was
running is ended or another's; it includes starting the killed program again.
"""

import argparse
import json
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import psycopg

from bench.embedded import Sender, Stack, embedded, percentile
from bench.load import Load
from bench.stalls import Stalls
from m2kt.dev.process import birth
from m2kt.errors import M2KTError

LEASE_SECONDS = 3.0
SETTLE_SECONDS = 90.0
"""Without one job that ends, while some have not: then they are stuck."""

CHILD_SECONDS = 60.0
VICTIMS = ("broker", "worker", "child", "valkey", "postgres")
STAND_IN = """
import sys, time
from pathlib import Path

import numpy as np

from m2kt.agent.child import progress, run_job
from m2kt.signing import sign_packet
from m2kt.signing.keys import load_private
from tests.small import small_packet

def job(spec):
    end = time.monotonic() + spec["settings"]["seconds"]
    packet = small_packet(spec["version"], spec["name"], attention__mean=np.random.rand(1, 5).astype(np.float16))
    while time.monotonic() < end:
        progress("working", 1, 2)
        time.sleep(0.1)
    Path(spec["out"]).write_bytes(sign_packet(packet, load_private(Path(spec["key"]))))
    return {"packet_id": packet.packet_id}

sys.exit(run_job(job))
"""
"""Every attempt makes another packet of the same name: were two of them published, or one of an attempt that lost its
lease, it would show."""


def main() -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser("python -m bench.chaos")
    parser.add_argument("--json", action="store_true", help="the only form there is")
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    told = parser.parse_args()
    print(json.dumps(run(told.kills, told.seed)))


def run(kills: int, seed: int) -> dict[str, float | int]:
    """The figures of one run."""
    begun = time.monotonic()
    with _stand_in() as path, embedded({"M2KT_LEASE_SECONDS": f"{LEASE_SECONDS:g}", "PYTHONPATH": path}) as stack:
        load, stalls = Load(stack, seed), Stalls(stack, LEASE_SECONDS, rounds=max(2, kills * 3 // 10))
        load.start()
        stalls.start(load)
        recoveries = list(_kill(stack, load, kills, random.Random(seed)))
        load.stop()
        stalls.join()
        figures = _verdict(stack, load)
    return {
        "kills": kills,
        **figures,
        "minutes": round((time.monotonic() - begun) / 60, 1),
        "stale_tried": stalls.tried,
        "stale_refused": stalls.refused,
        "recovery_p99_s": round(percentile(recoveries, 0.99), 2),
        "recovery_p50_s": round(percentile(recoveries, 0.50), 2),
    }


@contextmanager
def _stand_in() -> Iterator[str]:
    """A PYTHONPATH in which `teacher_agent` is a small program that takes time and signs a packet: this run is
    about the worker."""
    with TemporaryDirectory(prefix="m2kt-chaos-") as folder:
        package = Path(folder) / "teacher_agent"
        package.mkdir()
        (package / "__init__.py").touch()
        (package / "__main__.py").write_text(STAND_IN)
        yield os.pathsep.join(filter(None, [folder, str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH")]))


def _kill(stack: Stack, load: Load, kills: int, dice: random.Random) -> Iterator[float]:
    """Kill, bring back, wait until recovered; yields the seconds that each took."""
    sender = Sender(stack.url, stack.admin)
    for number in range(kills):
        victim = VICTIMS[number % len(VICTIMS)]
        running = _running(stack)
        begun = time.monotonic()
        _end(stack, victim)
        if victim != "child":
            _up(stack)
        probe = load.ordered(sender, {"kind": "noop", "priority": 100})
        _await_recovery(stack, running, probe)
        yield time.monotonic() - begun
        print(f"{number + 1} {victim} {time.monotonic() - begun:.1f} s", file=sys.stderr)
        if number % 5 == 4:
            _stall_worker(stack)
        time.sleep(dice.uniform(0.2, 1.2))
    sender.close()


def _running(stack: Stack) -> list[tuple[str, int]]:
    with stack.database() as database:
        return database.execute("SELECT id::text, fence FROM jobs WHERE state = 'running'").fetchall()


def _pid(stack: Stack, name: str) -> int:
    found = next(each for each in stack.runtime.status() if each.name == name)
    assert found.pid, f"{name} does not run"
    return found.pid


def _end(stack: Stack, victim: str) -> None:
    """Kill with -9; in the place of a child, when none is there for a while, the worker's next."""
    if victim != "child":
        pid = _pid(stack, victim)
        os.kill(pid, signal.SIGKILL)
        while birth(pid) is not None:  # a server that is just dying must not be taken for one that runs
            time.sleep(0.005)
        return
    worker, end = psutil.Process(_pid(stack, "worker")), time.monotonic() + CHILD_SECONDS
    while time.monotonic() < end:
        for each in worker.children():
            with suppress(psutil.Error):
                if each.status() != psutil.STATUS_ZOMBIE:
                    each.kill()
                    return
        time.sleep(0.01)
    raise TimeoutError(f"the worker had no child for {CHILD_SECONDS:g} s")


def _up(stack: Stack) -> None:
    """What a service manager does: start again what died, until it holds."""
    for _ in range(5):
        try:
            stack.runtime.up()
            return
        except M2KTError as error:
            print(f"up: {error.detail}", file=sys.stderr)
    stack.runtime.up()


def _await_recovery(stack: Stack, running: list[tuple[str, int]], probe: str) -> None:
    query = (
        "SELECT (SELECT count(*) FROM jobs WHERE id = %s::uuid AND state <> 'succeeded') + "
        "(SELECT count(*) FROM jobs JOIN unnest(%s::uuid[], %s::bigint[]) AS was(id, fence) USING (id, fence) "
        "WHERE state = 'running' AND lease_until < clock_timestamp())"
    )
    words = (probe, [each[0] for each in running], [each[1] for each in running])
    end = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < end:
        with suppress(psycopg.OperationalError), stack.database() as database:
            row = database.execute(query, words).fetchone()
            if row is not None and row[0] == 0:
                return
        time.sleep(0.1)
    raise TimeoutError(f"no recovery within {SETTLE_SECONDS:g} s")


def _stall_worker(stack: Stack) -> None:
    """Stop the worker until its leases are over, and let it go on with what it believes to hold."""
    pid = _pid(stack, "worker")
    os.kill(pid, signal.SIGSTOP)
    time.sleep(LEASE_SECONDS + 0.5)
    os.kill(pid, signal.SIGCONT)


def _verdict(stack: Stack, load: Load) -> dict[str, int]:
    """What the ledger says in the end, against what was acknowledged."""
    _up(stack)
    _settle(stack)
    jobs = {str(row[0]): row[1] for row in _rows(stack, "SELECT id, state FROM jobs")}
    twice = _rows(stack, "SELECT job_id FROM job_events WHERE what = 'succeeded' GROUP BY job_id HAVING count(*) > 1")
    verdicts = _rows(
        stack,
        "SELECT packet_id, count(*) FROM attestations WHERE predicate_type = 'urn:m2kt:scan:v1' "
        "GROUP BY packet_id HAVING count(*) > 1",
    )
    approved = {row[0] for row in _rows(stack, "SELECT packet_id FROM packets WHERE state = 'approved'")}
    drafts = {row[0] for row in _rows(stack, "SELECT packet_id FROM packets WHERE name LIKE 'chaos/%'")}
    query = "SELECT result->>'packet_id' FROM jobs WHERE kind = 'extract' AND state = 'succeeded'"
    extracted = {row[0] for row in _rows(stack, query)}
    for row in _rows(stack, "SELECT kind, state, needs_site, error->>'detail', count(*) FROM jobs GROUP BY 1, 2, 3, 4"):
        print(*row, file=sys.stderr)
    lost = [each for each in load.acknowledged if jobs.get(each) != "succeeded"]
    missing = (set(load.packets) | extracted) - approved
    return {
        "acknowledged": len(load.acknowledged) + len(load.packets),
        "jobs": len(jobs),
        "drafts": len(drafts),
        "lost": len(lost) + len(missing),
        "double_effects": len(twice) + len(verdicts) + len(drafts - extracted),
        "stuck": sum(state in ("queued", "running") for state in jobs.values()),
    }


def _settle(stack: Stack) -> None:
    """Wait as long as jobs go on ending: how many wait is the load's doing."""
    left, end = -1, time.monotonic() + SETTLE_SECONDS
    while left and time.monotonic() < end:
        now = int(_rows(stack, "SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')")[0][0])
        if now != left:
            left, end = now, time.monotonic() + SETTLE_SECONDS
        time.sleep(0.3)


def _rows(stack: Stack, query: str) -> list[tuple[str, ...]]:
    with stack.database() as database:
        return database.execute(query).fetchall()


if __name__ == "__main__":
    main()
