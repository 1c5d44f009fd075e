"""Requests that were repeated, altered or signed by who may not any more, beside honest ones, at two replicas.

    python -m bench.auth --json

Starts servers, a worker and two brokers on one database in a temporary directory and writes nothing outside it. A
refusal counts when it has the right code. Every honest request is sent once more to each replica, half of them at the
same moment; alterations (`bench.attacks`) are made of requests that were never sent, so that nothing but the alteration
can be the reason. The matrix (`bench.matrix`) is made of the broker's own OpenAPI document.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from bench import matrix
from bench.attacks import UNSIGNED, Cast, Holder, attacks, honest
from bench.embedded import Stack, embedded
from bench.matrix import Answer
from bench.wire import Line, Wire, signed
from m2kt.agent.enrolment import enrol
from m2kt.agent.session import open_session
from m2kt.client import Client
from m2kt.dev import keys as runtime_keys
from m2kt.dev import ports, programs
from m2kt.errors import ChildFailed
from m2kt.signing.keys import PrivateKey, load_private

HONEST = 520
ROUNDS = 60
"""One of each attack in each."""

SEED = 2


@dataclass
class Tally:
    """What was tried and how it ended; ``wrong`` names what went otherwise than it should."""

    tried: int = 0
    refused: int = 0
    honest: int = 0
    accepted: int = 0
    wrong: list[str] = field(default_factory=list)

    def attack(self, name: str, answer: Answer, codes: frozenset[str]) -> None:
        self.tried += 1
        if answer.code in codes:
            self.refused += 1
        else:
            self.wrong.append(f"{name}: {answer.status} {answer.code}")

    def honestly(self, wire: Wire, answer: Answer) -> None:
        self.honest += 1
        if answer.status < 300:
            self.accepted += 1
        else:
            self.wrong.append(f"honest {wire.method} {wire.path}: {answer.status} {answer.code}")


def main(arguments: list[str] | None = None) -> int:
    """Print one JSON line; 1 when something was not as it should be."""
    parser = argparse.ArgumentParser(prog="python -m bench.auth")
    parser.add_argument("--json", action="store_true", help="print one JSON line (it always does)")
    parser.add_argument("--share", type=float, default=1.0, help="of the requests")
    share = parser.parse_args(arguments).share
    tally, found, unexpected = run(share)
    figures = {
        "tried": tally.tried,
        "refused": tally.refused,
        "honest": tally.honest,
        "accepted": tally.accepted,
        "matrix_routes": found,
        "matrix_unexpected": len(unexpected),
    }
    for each in (*tally.wrong, *unexpected):
        sys.stderr.write(f"{each}\n")
    print(json.dumps(figures))
    return 1 if tally.wrong or unexpected else 0


def run(share: float = 1.0) -> tuple[Tally, int, list[str]]:
    """Attacks and honest requests, then the matrix: its number of routes, and what was unexpected."""
    tally, dice = Tally(), random.Random(SEED)
    with embedded({}) as stack, _replica(stack) as other, TemporaryDirectory() as folder:
        cast, lines = _cast(stack, Path(folder)), [Line(stack.url), Line(other)]
        with ThreadPoolExecutor(2) as pool:
            for _ in range(round(HONEST * share)):
                _honest_and_replayed(cast, dice, lines, pool, tally)
                if tally.honest % 20 == 0:
                    _alive(cast, lines[0])
        for _ in range(round(ROUNDS * share)):
            for name, (wire, codes) in attacks(cast, dice):
                tally.attack(name, dice.choice(lines).send(wire), codes)
            _alive(cast, lines[0])
        for line in lines:
            line.close()
        routes, unexpected = _matrix(stack)
    return tally, routes, unexpected


def _honest_and_replayed(
    cast: Cast, dice: random.Random, lines: list[Line], pool: ThreadPoolExecutor, tally: Tally
) -> None:
    """A request that is taken, and the same bytes again at each replica."""
    wire = honest(cast, dice)
    if dice.random() < 0.5:
        tally.honestly(wire, dice.choice(lines).send(wire))
    else:  # both at once: one takes it, and the other sees that
        answers = sorted(pool.map(lambda line: line.send(wire), lines), key=lambda each: each.status)
        tally.honestly(wire, answers[0])
        tally.attack("at the same moment", answers[1], UNSIGNED)
    for line in lines:
        tally.attack("replay", line.send(wire), UNSIGNED)


def _alive(cast: Cast, line: Line) -> None:
    """Keep the session from falling silent: beside a silent one, calls without a session are taken."""
    answer = line.send(signed(cast.url, cast.running.key, "POST", "/v1/heartbeat", b"{}", cast.running.session))
    assert answer.status == httpx.codes.OK, answer


def _cast(stack: Stack, folder: Path) -> Cast:
    """Agents that came in as agents do."""
    with stack.client() as root:
        keys = {name: _enrolled(stack, root, folder, name) for name in ("running", "alone", "revoked")}
        fenced, running = _session(stack, keys["running"]), _session(stack, keys["running"])
        revoked = _session(stack, keys["revoked"])
        root.revoke_agent("revoked")
    return Cast(
        stack.url,
        running=Holder(keys["running"], running),
        alone=Holder(keys["alone"]),
        fenced=Holder(keys["running"], fenced),
        revoked=Holder(keys["revoked"], revoked),
    )


def _enrolled(stack: Stack, root: Client, folder: Path, name: str) -> PrivateKey:
    enrol(stack.url, str(root.make_token("worker", name_pattern=name)["token"]), name, folder / f"{name}.key")
    return load_private(folder / f"{name}.key")


def _session(stack: Stack, key: PrivateKey) -> str:
    with Client(stack.url, key) as client:
        return open_session(client).id


def _matrix(stack: Stack) -> tuple[int, list[str]]:
    found = matrix.routes(httpx.get(f"{stack.url}/openapi.json", trust_env=False).json())
    with httpx.Client(base_url=stack.url, trust_env=False, timeout=60) as http:

        def send(method: str, path: str, key: PrivateKey | None, body: bytes) -> Answer:
            if key is None:
                answer = http.request(method, path, content=body, headers={"Content-Type": "application/json"})
            else:
                wire = signed(stack.url, key, method, path, body)
                answer = http.request(method, path, content=body, headers=dict(wire.headers))
            return matrix.answer_of(answer.status_code, answer.text)

        world = matrix.build(lambda key: Client(stack.url, key), stack.admin)
        return len(found), matrix.run(found, world, send)


@contextmanager
def _replica(stack: Stack) -> Iterator[str]:
    """Another broker on the same database; its address."""
    layout, port = stack.runtime.layout, ports.choose(None, None)
    told = programs.environment(
        layout, runtime_keys.ensure(layout), stack.addresses.database_url, stack.addresses.redis_url
    )
    service = programs.broker(layout, told, port)
    child = subprocess.Popen(
        service.argv, env={**os.environ, **service.env}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        end = time.monotonic() + 60
        while not service.ready(child.pid, ""):
            if child.poll() is not None or time.monotonic() > end:
                raise ChildFailed("the second broker does not start")
            time.sleep(0.1)
        yield programs.url(port)
    finally:
        child.terminate()
        child.wait(20)


if __name__ == "__main__":
    sys.exit(main())
