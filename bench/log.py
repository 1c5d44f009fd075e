"""``python -m bench.log --json``: how fast the transparency log takes entries in, proves them, and is verified.

It starts a Postgres, a broker and a worker of its own in a temporary directory, and removes them.

- ``appends_per_s``: transactions of one entry each, from two threads beside the sequencer, until all are integrated.
- ``receipt_p95_s``: from the call of `Client.publish` until a verified receipt with its proof is in the client's hands.
- ``proof_ms``: a proof's text in a tree of a million leaves: parsed, its signatures and its path verified (p95).
"""

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
from sqlalchemy import select

from broker.db import Sessions, make_engine, make_sessions, transaction
from broker.models import LogCheckpoint
from broker.sealing import SealKey
from broker.services import sequencer, tlog
from broker.services.sequencer import Keeper
from m2kt.client import Client, LogRules
from m2kt.dev import Runtime, alembic
from m2kt.log import Checkpoint, Memory, Policy, Proof, issue, proofs, tiles, tree
from m2kt.packet import DomainRef, Extraction, Manifest, Packet, PacketKind, Teacher, build_packet, ledger
from m2kt.packet.merkle import leaf_hash
from m2kt.signing import TrustStore, sign_packet
from m2kt.signing.keys import PrivateKey, generate, load_private, load_public

LEAVES = 1_000_000
PROOFS = 300
APPENDS = 8_000
WRITERS = 2
PUBLICATIONS = 100
ORIGIN = "bench.test/log"


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m bench.log", description=__doc__)
    arguments.add_argument("--json", action="store_true", help="one line of JSON")
    wanted = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="m2kt-bench-") as folder:
        found = {
            "appends_per_s": round(measure_appends(Path(folder) / "a"), 1),
            "receipt_p95_s": round(measure_receipts(Path(folder) / "b"), 3),
            "proof_ms": round(measure_proofs(), 3),
        }
    print(json.dumps(found) if wanted.json else "\n".join(f"{name:16} {value}" for name, value in found.items()))
    return 0


def measure_appends(root: Path) -> float:
    """Entries a second, sustained until the last is integrated."""
    runtime = Runtime(root)
    try:
        url = runtime.up(servers_only=True).database_url
        alembic(url, "upgrade", "head")
        key = generate()
        engine = make_engine(url, SealKey.of(key))  # every row is sealed, as the broker's own are
        seconds = _append_all(make_sessions(engine), key)
        engine.dispose()
        return APPENDS / seconds
    finally:
        runtime.reset()


def _append_all(sessions: Sessions, key: PrivateKey) -> float:
    keeper, done = Keeper(ORIGIN, key), threading.Event()

    def integrate() -> None:
        while not done.is_set():
            with transaction(sessions) as session:
                integrated = sequencer.integrate(session, keeper)
            if integrated < sequencer.BATCH:
                time.sleep(0.1)  # as the worker does

    def write(first: int) -> None:
        for number in range(first, APPENDS, WRITERS):
            with transaction(sessions) as session:
                tlog.append(session, "bench", b"statement %d" % number)

    keeping = threading.Thread(target=integrate)
    keeping.start()
    began = time.perf_counter()
    _together(write, WRITERS)
    while _size(sessions) < APPENDS:
        time.sleep(0.02)
    seconds = time.perf_counter() - began
    done.set()
    keeping.join()
    return seconds


def _together(work: Callable[[int], None], count: int) -> None:
    threads = [threading.Thread(target=work, args=(each,)) for each in range(count)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()


def _size(sessions: Sessions) -> int:
    with transaction(sessions) as session:
        return session.scalar(select(LogCheckpoint.size).order_by(LogCheckpoint.size.desc()).limit(1)) or 0


def measure_receipts(root: Path) -> float:
    """Seconds from publishing to the proof, 95th percentile, through the real broker and worker."""
    runtime = Runtime(root)
    try:
        addresses = runtime.up()
        assert addresses.broker_url is not None
        assert addresses.admin_key is not None
        admin, broker_key = load_private(addresses.admin_key), load_public(runtime.layout.keys / "broker.pub")
        rules = LogRules(memory=Memory(root.parent / "memory"))
        trust = TrustStore([broker_key, admin.public_key()])
        with Client(addresses.broker_url, admin, trust, log=rules) as client:
            taken = sorted(_publish(client, admin, number) for number in range(PUBLICATIONS))
        return taken[int(len(taken) * 0.95)]
    finally:
        runtime.reset()


def _publish(client: Client, key: PrivateKey, number: int) -> float:
    data = sign_packet(_packet(number), key)
    began = time.perf_counter()
    packet_id = client.publish(data)["packet_id"]
    client.verify(packet_id, data)
    return time.perf_counter() - began


def _packet(number: int) -> Packet:
    states = np.random.default_rng(number).normal(size=(64, 64)).astype(np.float32)
    tensors = {"anchors/states": states}
    digest = f"sha256:{sha256(b'bench').hexdigest()}"
    manifest = Manifest.describe(
        kind=PacketKind.ANCHORS,
        name="bench/log",
        version=f"1.0.{number}",
        created="2026-01-31T12:00:00Z",
        domain=DomainRef("chains", "1.0.0"),
        teacher=Teacher("bench", "gpt2", "gpt2", 1000, digest, digest),
        extraction=Extraction("bench", {"probes": 1}, 1),
        licence="Apache-2.0",
        tensors=tensors,
        ledger=ledger.measure(tensors, 1),
    )
    return build_packet(manifest, tensors)


def measure_proofs() -> float:
    """Milliseconds to verify a proof's text, 95th percentile."""
    key = generate()
    entries = [sha256(number.to_bytes(4)).digest() for number in range(LEAVES)]
    built = tiles.extend(lambda *_: b"", 0, [leaf_hash(each) for each in entries])
    read = tiles.reader(lambda level, index: built[level, index])
    note = issue(Checkpoint(ORIGIN, LEAVES, tree.root(read, LEAVES)), key, int(time.time())).to_bytes()
    policy = Policy(ORIGIN, (key.public_key(),))
    taken = []
    for index in random.Random(1).sample(range(LEAVES), PROOFS):
        text = Proof(index, tuple(tree.inclusion_proof(read, index, LEAVES)), note).to_text()
        began = time.perf_counter()
        proofs.verify(Proof.from_text(text), entries[index], policy)
        taken.append(time.perf_counter() - began)
    return sorted(taken)[int(PROOFS * 0.95)] * 1000


if __name__ == "__main__":
    sys.exit(main())
