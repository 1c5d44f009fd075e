"""A thousand agents that beat every ten seconds: what they cost the broker; and how soon a new agent has done a job.

    python -m bench.fleet --json [--agents 1000 --seconds 60]

Starts servers, broker and worker of its own in a temporary directory and writes nothing outside it. The agents are
registered, have keys and sessions of their own, and beat as real ones do: each beat a signed request with a fresh
nonce, on a connection of its own (the broker closes what is silent for longer than five seconds), at jittered times.
``broker_core_share`` is the broker process' time on the CPU over the wall time of the window; Postgres' is told beside
it. Where the host was too busy to send all the beats that were due (``beats_per_s`` < ``beats_due_per_s``), both are
scaled up to them. ``first_job_s`` goes from `m2kt agent enrol` to the end of the first job, a no-op, by a real
`teacher_agent run`; ``first_extraction_s`` on to the end of an extraction with the example teacher.
"""

import argparse
import json
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from bench.embedded import Sender, Stack, embedded, percentile
from m2kt.client import Client
from m2kt.signing.keys import PrivateKey, generate

BEAT_SECONDS = 10.0
WARM_SECONDS = 10.0
DRIVERS = 32
TEACHER = Path(__file__).parents[1] / "examples" / "models" / "teacher"
M2KT = [sys.executable, "-c", "from m2kt.cli import main; main()"]
SETTINGS = {"probes": 120, "least_chains": 8, "least_support": 1, "floor": 0.2, "swap": {"chains": 8, "swaps": 1}}


@dataclass(frozen=True)
class Agent:
    """One of many."""

    key: PrivateKey
    session: str


@dataclass
class Heard:
    """What the beats of one window met."""

    beats: int = 0
    refused: int = 0
    seconds: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, status: int, seconds: float) -> None:
        with self.lock:
            self.beats += 1
            self.refused += status != 200
            self.seconds.append(seconds)


def main() -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser("python -m bench.fleet")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--agents", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=60.0)
    told = parser.parse_args()
    with embedded({"M2KT_BEAT_SECONDS": f"{BEAT_SECONDS:g}"}) as stack:
        figures = first_job(stack)
        with stack.client() as client:
            agents = [_agent(stack, client, number) for number in range(told.agents)]
        figures |= fleet(stack, agents, told.seconds)
    print(json.dumps({**figures, "agents": told.agents, "beat_seconds": BEAT_SECONDS}))


# The fleet


def _agent(stack: Stack, client: Client, number: int) -> Agent:
    """Registered, with a session open."""
    key, session = generate(), f"fleet-{number:06d}"
    client.register_agent(session, "student", key.public_key())
    sender = Sender(stack.url, key)
    status, said = sender.post("/v1/session", {"session": session})
    sender.close()
    assert status == 201, said
    return Agent(key, session)


def fleet(stack: Stack, agents: list[Agent], seconds: float) -> dict[str, float]:
    """CPU shares while everybody beats."""
    heard, stop = Heard(), threading.Event()
    with _beating(stack, agents, heard, stop):
        time.sleep(WARM_SECONDS)
        heard.beats, heard.refused, heard.seconds = 0, 0, []
        before, begun = _used(stack), time.perf_counter()
        time.sleep(seconds)
        wall = time.perf_counter() - begun
        after = _used(stack)
        beats, refused, times = heard.beats, heard.refused, list(heard.seconds)
    rate, due = beats / wall, len(agents) / BEAT_SECONDS
    # On a host too busy to send all the beats that are due, for as many as are due.
    shares = [(end - start) / wall * max(1.0, due / rate) for start, end in zip(before, after, strict=True)]
    return {
        "broker_core_share": round(shares[0], 3),
        "postgres_core_share": round(shares[1], 3),
        "beats_per_s": round(rate, 1),
        "beats_due_per_s": round(due, 1),
        "beats_refused": refused,
        "beat_p50_ms": round(1000 * percentile(times, 0.5), 1),
        "beat_p99_ms": round(1000 * percentile(times, 0.99), 1),
    }


@contextmanager
def _beating(stack: Stack, agents: list[Agent], heard: Heard, stop: threading.Event) -> Iterator[None]:
    drivers = [
        threading.Thread(target=_drive, args=(stack.url, agents[n::DRIVERS], heard, stop), daemon=True)
        for n in range(DRIVERS)
    ]
    for each in drivers:
        each.start()
    yield
    stop.set()
    for each in drivers:
        each.join()


def _drive(url: str, agents: list[Agent], heard: Heard, stop: threading.Event) -> None:
    """Each of these agents in its turn: they begin spread over one beat, and each waits a beat after its own."""
    begun = time.monotonic()
    due = sorted((begun + random.uniform(0, BEAT_SECONDS), n) for n in range(len(agents)))
    while not stop.is_set():
        at, number = due.pop(0)
        if stop.wait(max(0.0, at - time.monotonic())):
            return
        status, seconds = _beat(url, agents[number])
        heard.note(status, seconds)
        following = max(at + BEAT_SECONDS, time.monotonic())
        due.append((following, number))


def _beat(url: str, agent: Agent) -> tuple[int, float]:
    begun, sender = time.perf_counter(), Sender(url, agent.key, agent.session)
    try:
        status, _ = sender.post("/v1/heartbeat", {"held": []})
    except OSError:
        status = 0
    finally:
        sender.close()
    return status, time.perf_counter() - begun


def _used(stack: Stack) -> tuple[float, float]:
    """Broker's and Postgres' time so far."""
    return _cpu(_processes(stack, "broker")), _cpu(_processes(stack, "postgres"))


def _processes(stack: Stack, name: str) -> list[psutil.Process]:
    """A service's process and its children."""
    service = next(each for each in stack.runtime.status() if each.name == name)
    parent = psutil.Process(service.pid)
    return [parent, *parent.children(recursive=True)]


def _cpu(processes: list[psutil.Process]) -> float:
    """Seconds on the CPU, in user and system mode, of a process and its children, ended ones too: their
    parent has reaped their times. A connection that Postgres closes meanwhile would otherwise be counted backwards."""
    reaped = processes[0].cpu_times()
    used = reaped.children_user + reaped.children_system
    for each in processes:
        with suppress(psutil.Error):  # one that has just ended
            found = each.cpu_times()
            used += found.user + found.system
    return float(used)


# The first job


def first_job(stack: Stack) -> dict[str, float]:
    """From the enrolment of a new agent to the end of its first no-op, and of its first extraction."""
    with TemporaryDirectory(prefix="m2kt-agent-") as folder, stack.client() as client:
        root = Path(folder)
        token = client.make_token("teacher", name_pattern="new-*")["token"]
        # The broker's own worker would be faster than anybody who is still to be enrolled.
        jobs = [
            client.submit_job("noop", {"seconds": 0.01}, labels={"site": "new"})["id"],
            client.submit_job("extract", _extraction(), labels={"site": "new"})["id"],
        ]
        begun = time.perf_counter()
        subprocess.run([*M2KT, *_enrol(stack, root)], input=token, text=True, check=True, capture_output=True)
        teacher = [sys.executable, "-m", "teacher_agent", *_options(stack, root)]
        daemon = subprocess.Popen(teacher, stderr=subprocess.DEVNULL)
        try:
            took = []
            for each in jobs:
                ended = client.wait_for_job(each, timeout=120)
                took.append(time.perf_counter() - begun)
                assert ended["state"] == "succeeded", ended
        finally:
            daemon.terminate()
            daemon.wait()
    return {"first_job_s": round(took[0], 2), "first_extraction_s": round(took[1], 2)}


def _extraction() -> dict[str, object]:
    return {"model": "teacher", "domain": "chains", "name": "bench/new", "version": "1.0.0", "settings": SETTINGS}


def _enrol(stack: Stack, root: Path) -> list[str]:
    return ["agent", "enrol", "--token", "-", "--broker", stack.url, "--name", "new-1", "--key", str(root / "key")]


def _options(stack: Stack, root: Path) -> list[str]:
    told = {"broker": stack.url, "key": root / "key", "model": TEACHER, "state": root / "state", "site": "new"}
    words = [word for name, value in told.items() for word in (f"--{name}", str(value))]
    return ["run", "--jobs", "--device", "cpu", "--threads", "1", *words]


if __name__ == "__main__":
    main()
