"""``python -m bench.revocation --json``: from a revocation to refused pulls, at two brokers on one database.

It starts a Postgres and two brokers of its own in a temporary directory, and removes them. Packets are published and
approved by the services, without a worker; revocations and pulls go over HTTP, signed.

- ``refused_p95_s``, ``refused_max_s``: from before a revocation is sent to one broker until both have refused a pull;
  ``pull_p95_s``: two pulls that are served, one at each, in the same run.
- ``served_after``: pulls that began after a revocation was acknowledged, and were served all the same.
- ``cascade_s``: the revocation of a packet with ``descendants`` descendants, until its answer; ``refused``: how many of
  a sample of these the other broker refuses then (all of ``asked``); ``stated_s``: until all have their signed state.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import httpx
import numpy as np
from sqlalchemy import insert, text

from broker.db import Sessions, make_engine, make_sessions, transaction
from broker.models import PacketParent, Role
from broker.sealing import SealKey
from broker.services import publishing, scans
from broker.services.agents import Principal
from broker.services.publishing import Desk
from broker.storage.postgres import PostgresBlobs
from m2kt.client import Client
from m2kt.dev import Runtime, alembic
from m2kt.dev.ports import LOOPBACK, choose
from m2kt.errors import NotPullable
from m2kt.packet import DomainRef, Extraction, Manifest, Packet, PacketKind, Teacher, build_packet, ledger
from m2kt.signing import sign_packet
from m2kt.signing.keys import PrivateKey, generate, write_private, write_public

REVOCATIONS = 40
DESCENDANTS = 2000
ASKED = 20
READY_SECONDS = 60.0

_COPIES = text(
    """
    INSERT INTO packets (packet_id, kind, name, version, domain, state, teacher, manifest, publisher, publisher_key,
                         size, content_sha256)
    SELECT 'sha256:' || lpad(to_hex(n), 64, '0'), kind, 'bench/many', '0.0.' || n, domain, 'approved', teacher,
           manifest, publisher, publisher_key, size, content_sha256
    FROM packets, generate_series(1, :many) AS n WHERE packet_id = :root
    """
)
_SIGNATURES = text(
    """
    INSERT INTO packet_signatures (packet_id, key_id, signature)
    SELECT 'sha256:' || lpad(to_hex(n), 64, '0'), key_id, signature
    FROM packet_signatures, generate_series(1, :many) AS n WHERE packet_id = :root
    """
)


@dataclass(frozen=True)
class Stand:
    """Two brokers, the database behind them, and the administrator who publishes, revokes and pulls."""

    sessions: Sessions
    broker_key: PrivateKey
    admin: PrivateKey
    clients: Sequence[Client]


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m bench.revocation", description=__doc__)
    arguments.add_argument("--json", action="store_true", help="one line of JSON")
    wanted = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="m2kt-bench-") as folder, _stand(Path(folder)) as stand:
        found = {**measure_refusals(stand), **measure_cascade(stand)}
    print(json.dumps(found) if wanted.json else "\n".join(f"{name:16} {value}" for name, value in found.items()))
    return 0


def measure_refusals(stand: Stand) -> dict[str, float]:
    taken, pulled, served = [], [], 0
    for number in range(REVOCATIONS):
        packet_id = _approved(stand, f"bench/p{number}")
        began = time.perf_counter()
        for each in stand.clients:
            each.fetch(packet_id)
        pulled.append(time.perf_counter() - began)
        began = time.perf_counter()
        stand.clients[number % 2].revoke(packet_id, "bench")
        served += sum(_pulls_until_refused(each, packet_id) for each in stand.clients)
        taken.append(time.perf_counter() - began)
    taken.sort()
    pulled.sort()
    return {
        "replicas": len(stand.clients),
        "revocations": REVOCATIONS,
        "refused_p95_s": round(taken[int(len(taken) * 0.95)], 3),
        "refused_max_s": round(taken[-1], 3),
        "pull_p95_s": round(pulled[int(len(pulled) * 0.95)], 3),
        "served_after": served,
    }


def _pulls_until_refused(client: Client, packet_id: str) -> int:
    """How many pulls were served first."""
    served = 0
    while True:
        try:
            client.fetch(packet_id)
        except NotPullable:
            return served
        served += 1


def measure_cascade(stand: Stand) -> dict[str, float]:
    """A comb: a chain of half of them, each with a leaf. As rows: publishing them is not what is measured."""
    root = _approved(stand, "bench/root")
    edges = [(each, root if each < 3 else _copy(each - 1 - each % 2)) for each in range(1, DESCENDANTS + 1)]
    with transaction(stand.sessions) as session:
        session.execute(_COPIES, {"root": root, "many": DESCENDANTS})
        session.execute(_SIGNATURES, {"root": root, "many": DESCENDANTS})
        session.execute(insert(PacketParent), [{"child_id": _copy(n), "parent_id": parent} for n, parent in edges])
    stand.clients[1].fetch(_copy(DESCENDANTS))  # so that a refusal afterwards says something
    began = time.perf_counter()
    stand.clients[0].revoke(root, "bench")
    answered = time.perf_counter() - began
    asked = range(DESCENDANTS, 0, -DESCENDANTS // ASKED)  # the last are stated last
    refused = sum(not _pulls_until_refused(stand.clients[1], _copy(each)) for each in asked)
    while _waiting(stand):
        time.sleep(0.05)
    stated = time.perf_counter() - began
    found = {"descendants": DESCENDANTS, "cascade_s": round(answered, 3), "stated_s": round(stated, 3)}
    return {**found, "asked": len(asked), "refused": refused}


def _waiting(stand: Stand) -> int:
    with transaction(stand.sessions) as session:
        return session.scalar(text("SELECT count(*) FROM restatements")) or 0


def _copy(number: int) -> str:
    return f"sha256:{number:064x}"


def _approved(stand: Stand, name: str) -> str:
    publisher = Principal.of("root", Role.ADMIN, stand.admin.public_key())
    desk = Desk(stand.broker_key, PostgresBlobs(), {publisher.key_id: publisher}, 2**24)
    with transaction(stand.sessions) as session:
        data = sign_packet(_packet(name), stand.admin)
        packet_id = publishing.publish(session, desk, data, publisher=publisher).packet.packet_id
        scans.begin(session, stand.broker_key, desk.store, packet_id)
        scans.conclude(session, stand.broker_key, packet_id, {"passed": True, "checks": []})
    return packet_id


def _packet(name: str) -> Packet:
    tensors = {"anchors/states": np.ones((8, 8), dtype=np.float32)}
    digest = f"sha256:{sha256(name.encode()).hexdigest()}"
    manifest = Manifest.describe(
        kind=PacketKind.ANCHORS,
        name=name,
        version="1.0.0",
        created="2026-01-31T12:00:00Z",
        domain=DomainRef("bench", "1.0.0"),
        teacher=Teacher("bench", "gpt2", "gpt2", 1000, digest, digest),
        extraction=Extraction("bench", {}, 1),
        licence="Apache-2.0",
        tensors=tensors,
        ledger=ledger.measure(tensors, 0),
        leads=("",),
    )
    return build_packet(manifest, tensors)


@contextmanager
def _stand(root: Path) -> Iterator[Stand]:
    runtime, broker_key, admin = Runtime(root / "var"), generate(), generate()
    (root / "admins").mkdir()
    write_private(root / "broker.key", broker_key)
    write_public(root / "admins" / "root.pub", admin.public_key())
    try:
        servers = runtime.up(servers_only=True)
        alembic(servers.database_url, "upgrade", "head")
        told = {
            "M2KT_DATABASE_URL": servers.database_url,
            "M2KT_REDIS_URL": servers.redis_url,
            "M2KT_BROKER_KEY": str(root / "broker.key"),
            "M2KT_ADMIN_KEYS": str(root / "admins"),
            "M2KT_WORK_DIR": str(root / "work"),
        }
        engine = make_engine(servers.database_url, SealKey.of(broker_key))
        with ExitStack() as stack:
            urls = [stack.enter_context(_broker(told)) for _ in range(2)]
            clients = [stack.enter_context(Client(each, admin)) for each in urls]
            yield Stand(make_sessions(engine), broker_key, admin, clients)
        engine.dispose()
    finally:
        runtime.reset()


@contextmanager
def _broker(told: Mapping[str, str]) -> Iterator[str]:
    """A broker in a process of its own; its address, once it is ready."""
    port = choose(None, None)
    words = [sys.executable, "-m", "uvicorn", "--factory", "broker.main:create_app", "--host", LOOPBACK]
    child = subprocess.Popen([*words, "--port", str(port), "--log-level", "warning"], env={**os.environ, **told})
    try:
        _await_ready(f"http://{LOOPBACK}:{port}")
        yield f"http://{LOOPBACK}:{port}"
    finally:
        child.terminate()
        child.wait(30)


def _await_ready(url: str) -> None:
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end:
        try:
            if httpx.get(f"{url}/readyz", trust_env=False).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise TimeoutError(f"{url} was not ready within {READY_SECONDS:g} s")


if __name__ == "__main__":
    sys.exit(main())
