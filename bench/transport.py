"""``python -m bench.transport --json``: pushing and pulling packets, against a bare FastAPI floor in the same run.

Each figure is floor seconds over broker seconds, medians of rounds in which the two take turns, for a packet of 1 MiB
and one of 64 MiB: 1.0 is as fast as the floor (`bench.floor`: SHA-256 and a durable file, and nothing else).

Both sides are whole round trips of an httpx client that hashes what it sends and what it gets, over one connection.
The broker's are `Client.publish` and `Client.fetch`: signed requests, a verified packet, its receipt, log entry and
scan job. The scan itself is asynchronous and not part of a push: the worker stands still while pushes are measured.
Blobs lie in a directory (``M2KT_BLOBS=file://``), as they do on the floor; ``--blobs postgres:`` tries another store.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TypeVar

import httpx
import numpy as np

from bench.embedded import Stack, embedded
from m2kt.client import Client
from m2kt.dev.ports import LOOPBACK, choose
from m2kt.packet import DomainRef, Extraction, Manifest, PacketKind, Teacher, build_packet, ledger
from m2kt.signing import sign_packet
from m2kt.signing.http import content_digest
from m2kt.signing.keys import PrivateKey

MIB = 2**20
ROUNDS = {1: 40, 64: 5}
WIDTH = 256
HEADROOM = 32 * 1024
"""Manifest and envelope fit into it: 64 MiB is the most that a scan reads."""

T = TypeVar("T")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.transport", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    parser.add_argument("--blobs", help="where the broker keeps them (M2KT_BLOBS); a directory of its own by default")
    told = parser.parse_args()
    found = run(told.blobs)
    print(json.dumps(found) if told.json else "\n".join(f"{name:20} {value}" for name, value in found.items()))
    return 0


def run(blobs: str | None = None) -> dict[str, float]:
    """Ratios, and the medians behind them in milliseconds."""
    with TemporaryDirectory(prefix="m2kt-bench-") as folder, _floor(Path(folder)) as floor_url:
        settings = {"M2KT_BLOBS": blobs or f"file://{folder}/blobs", "M2KT_MAX_PACKET_BYTES": str(80 * MIB)}
        with embedded(settings) as stack, stack.client() as client, httpx.Client(base_url=floor_url) as floor:
            found: dict[str, float] = {}
            for mib, rounds in ROUNDS.items():
                found |= _measure(stack, client, floor, mib, rounds)
            return found


@contextmanager
def _floor(folder: Path) -> Iterator[str]:
    root, port = folder / "floor", choose(None, None)
    root.mkdir()
    argv = [sys.executable, "-m", "uvicorn", "--factory", "bench.floor:create_app", "--host", LOOPBACK]
    with (folder / "floor.log").open("wb") as log:
        environment = {**os.environ, "FLOOR_ROOT": str(root)}
        server = subprocess.Popen([*argv, "--port", str(port)], env=environment, stdout=log, stderr=log)
    try:
        _await(lambda: httpx.get(f"http://{LOOPBACK}:{port}/openapi.json").is_success)
        yield f"http://{LOOPBACK}:{port}"
    finally:
        server.terminate()
        server.wait()


def _await(there: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            if there():
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise TimeoutError("the floor did not come up")


def _measure(stack: Stack, client: Client, floor: httpx.Client, mib: int, rounds: int) -> dict[str, float]:
    floor_push, push, floor_pull, pull = [], [], [], []
    for number in range(rounds):
        data = _packet(mib, number, stack.admin)
        with _worker_stopped(stack):
            name, seconds = _timed(lambda data=data: _push_to_floor(floor, data))  # type: ignore[misc]
            floor_push.append(seconds)
            told, seconds = _timed(lambda data=data: client.publish(data))  # type: ignore[misc]
            push.append(seconds)
        packet_id = told["packet_id"]
        client.wait_for_state(packet_id, {"approved"}, timeout=120)
        with _worker_stopped(stack):
            there, seconds = _timed(lambda name=name: _pull_from_floor(floor, name))  # type: ignore[misc]
            floor_pull.append(seconds)
            mine, seconds = _timed(lambda packet_id=packet_id: client.fetch(packet_id))  # type: ignore[misc]
            pull.append(seconds)
        assert there == mine == data
    times = {"push": (floor_push, push), "pull": (floor_pull, pull)}
    ratios = {f"{what}_{mib}m": round(median(bare) / median(ours), 3) for what, (bare, ours) in times.items()}
    shown = {f"{what}_{mib}m_ms": round(1000 * median(ours), 2) for what, (_, ours) in times.items()}
    floors = {f"floor_{what}_{mib}m_ms": round(1000 * median(bare), 2) for what, (bare, _) in times.items()}
    return {**ratios, **shown, **floors}


def _timed(call: Callable[[], T]) -> tuple[T, float]:
    begun = time.perf_counter()
    found = call()
    return found, time.perf_counter() - begun


def _push_to_floor(floor: httpx.Client, data: bytes) -> str:
    headers = {"Content-Digest": content_digest(sha256(data).digest())}
    answer = floor.post("/blobs", content=data, headers=headers)
    answer.raise_for_status()
    return str(answer.json()["digest"])


def _pull_from_floor(floor: httpx.Client, name: str) -> bytes:
    data = floor.get(f"/blobs/{name}").raise_for_status().content
    assert sha256(data).hexdigest() == name
    return data


@contextmanager
def _worker_stopped(stack: Stack) -> Iterator[None]:
    pid = next(each.pid for each in stack.runtime.status() if each.name == "worker")
    assert pid
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _packet(mib: int, number: int, key: PrivateKey) -> bytes:
    rows = (mib * MIB - HEADROOM) // 4 // WIDTH
    states = np.random.default_rng(mib * 1000 + number).normal(size=(rows, WIDTH))
    tensors = {"anchors/states": states.astype(np.float32)}
    digest = f"sha256:{sha256(b'bench').hexdigest()}"
    manifest = Manifest.describe(
        kind=PacketKind.ANCHORS,
        name=f"bench/transport-{mib}",
        version=f"1.0.{number}",
        created="2026-01-31T12:00:00Z",
        domain=DomainRef("chains", "1.0.0"),
        teacher=Teacher("bench", "gpt2", "gpt2", 1000, digest, digest),
        extraction=Extraction("bench", {"probes": 1}, 1),
        licence="Apache-2.0",
        tensors=tensors,
        ledger=ledger.measure(tensors, 1),
    )
    return sign_packet(build_packet(manifest, tensors), key)


if __name__ == "__main__":
    sys.exit(main())
