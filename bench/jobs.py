"""How soon a job begins, how many no-ops a second go all the way, how soon a cancelled job's process is gone.

    python -m bench.jobs --json

Starts servers, broker and one worker of its own in a temporary directory and writes nothing outside it. Times are the
database's: from the event ``queued`` to the event ``running``. No-ops go the whole path: signed request, ledger,
outbox, Redis, Celery, claim, finish. Cancelled jobs are extractions with the example teacher, so that there is a child
with torch to end; the time is from the request until no process is left.
"""

import json
import random
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil

from bench.embedded import Sender, Stack, embedded, percentile
from m2kt.client import Client

RINGS = 200
NOOPS = 1500
SENDERS = 4
CANCELS = 15
TEACHER = Path(__file__).parents[1] / "examples" / "models" / "teacher"
STARTED = """
SELECT extract(epoch FROM r.at - q.at) FROM job_events q JOIN job_events r USING (job_id)
WHERE q.what = 'queued' AND r.what = 'running' AND q.job_id = ANY(%s)
"""


def main() -> None:
    """Print one JSON line."""
    with embedded({"M2KT_LEASE_SECONDS": "30"}) as stack:
        starts = ring_to_start(stack)
        figures = {
            "ring_to_start_p50_ms": round(1000 * percentile(starts, 0.50), 1),
            "ring_to_start_p99_ms": round(1000 * percentile(starts, 0.99), 1),
            "noop_jobs_per_s": round(noops_per_second(stack), 1),
        }
        cancels = cancel_seconds(stack)
        figures["cancel_p99_s"] = round(percentile(cancels, 0.99), 2)
        figures["cancel_p50_s"] = round(percentile(cancels, 0.50), 2)
    print(json.dumps({**figures, "rings": RINGS, "noops": NOOPS, "cancels": CANCELS}))


def ring_to_start(stack: Stack) -> list[float]:
    """Seconds from queued to running of single no-ops, each for a worker that has nothing else to do."""
    sender, ids = Sender(stack.url, stack.admin), []
    for _ in range(RINGS):
        ids.append(_submit(sender))
        time.sleep(random.uniform(0.05, 0.15))
    sender.close()
    _await_all(stack, ids)
    with stack.database() as database:
        return [float(row[0]) for row in database.execute(STARTED, (ids,))]


def noops_per_second(stack: Stack) -> float:
    """No-ops from the first request to the last finish, by the database's clock."""
    ids: list[str] = []
    threads = [threading.Thread(target=_send, args=(stack, ids, NOOPS // SENDERS)) for _ in range(SENDERS)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    _await_all(stack, ids)
    with stack.database() as database:
        took = "SELECT extract(epoch FROM max(finished) - min(created)) FROM jobs WHERE id = ANY(%s)"
        row = database.execute(took, (ids,)).fetchone()
    assert row is not None
    return len(ids) / float(row[0])


def _send(stack: Stack, ids: list[str], count: int) -> None:
    sender = Sender(stack.url, stack.admin)
    for _ in range(count):
        ids.append(_submit(sender))
    sender.close()


def _submit(sender: Sender) -> str:
    status, job = sender.post("/v1/jobs", {"kind": "noop"})
    assert status == 201, job
    return str(job["id"])


def _await_all(stack: Stack, ids: list[str]) -> None:
    left = "SELECT count(*) FROM jobs WHERE id = ANY(%s) AND state <> 'succeeded'"
    with stack.database() as database:
        end = time.monotonic() + 120
        while (row := database.execute(left, (ids,)).fetchone()) and row[0]:
            assert time.monotonic() < end, f"{row[0]} jobs did not finish"
            time.sleep(0.05)


def cancel_seconds(stack: Stack) -> list[float]:
    """Seconds from the request to cancel until the child's process is gone."""
    with stack.client() as client:
        return [_cancelled(stack, client, n) for n in range(CANCELS)]


def _cancelled(stack: Stack, client: Client, number: int) -> float:
    spec = {"model": str(TEACHER), "domain": "chains", "name": f"bench/c{number}", "version": "1.0.0", "threads": 1}
    job = client.submit_job("extract", spec)["id"]
    child = _child(stack)
    time.sleep(random.uniform(0, 4))
    begun = time.perf_counter()
    client.cancel_job(job)
    with suppress(psutil.NoSuchProcess):
        while child.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
    return time.perf_counter() - begun


def _child(stack: Stack) -> psutil.Process:
    """The worker's extraction process, as soon as there is one."""
    worker = next(each for each in stack.runtime.status() if each.name == "worker")
    end = time.monotonic() + 30
    while time.monotonic() < end:
        for each in psutil.Process(worker.pid).children():
            with suppress(psutil.Error):  # one that has just ended
                if "teacher_agent" in each.cmdline():
                    return each
        time.sleep(0.01)
    raise TimeoutError("no child was started")


if __name__ == "__main__":
    main()
