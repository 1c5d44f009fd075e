"""Publish, pull, revoke and collect for long, while broker and Postgres are killed: is anything acknowledged ever lost?

    python -m bench.soak --json --events 20000 --kills 40

Everything runs in a temporary directory: Postgres, Valkey, a broker whose blobs lie in a directory beside it, and
clients in threads. ``kill -9`` takes turns between broker and Postgres. Every other packet goes as one POST, the others
in parts that resume. The worker stands still; a **light policy** decides in its place, in this process: it reads
the packet (structure, digests, finite values) and nothing else. It is printed, and stands in every verdict.
Collectors run all the time, here and in the broker, with a grace of five seconds instead of an hour, so that they race
with publications whenever they can; uploads are begun and left behind to give them something to collect.

``events``: what was tried. ``acknowledged``: what was answered; the run ends when these are ``--events``, the rest met
a server that was just away (``unanswered``, by code). ``lost``: packets that were acknowledged and
are not there, revocations that do not hold, bytes that no store has. ``wrong_bytes``: pulls with other bytes than those
that were published (`bench.history`).
"""

import argparse
import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from hashlib import sha256
from tempfile import TemporaryDirectory

import numpy as np
import psycopg

from bench.embedded import Stack, embedded
from bench.history import History, Told
from broker.db import Sessions, make_engine, make_sessions, transaction
from broker.models import JobKind, Packet
from broker.services import jobs, scans
from broker.storage import BlobStore
from broker.storage.place import open_store
from m2kt.client import Client
from m2kt.client.uploads import PART
from m2kt.dev.process import birth
from m2kt.errors import M2KTError, NotFound, NotPullable, PacketRevoked, QuotaExceeded, Unavailable, UploadOffset
from m2kt.packet import DomainRef, Extraction, Manifest, PacketKind, Teacher, build_packet, ledger, read_packet
from m2kt.signing import sign_packet
from m2kt.signing.keys import PrivateKey, load_private

CLIENTS = 3
POLICY = {"name": "light", "checks": ["structure", "digests", "finite"], "scanner": "bench.soak"}
VICTIMS = ("broker", "postgres")
STEP = 64 * 1024
GRACE_SECONDS = 5.0
SETTLE_SECONDS = 120.0


def main() -> int:
    parser = argparse.ArgumentParser("python -m bench.soak", description=__doc__)
    parser.add_argument("--json", action="store_true", help="the only form there is")
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    told = parser.parse_args()
    print(json.dumps(run(told.events, told.kills, told.seed)))
    return 0


def run(events: int, kills: int, seed: int) -> dict[str, object]:
    """The figures of one run."""
    with TemporaryDirectory(prefix="m2kt-soak-") as folder:
        blobs = f"file://{folder}/blobs"
        grace = {"M2KT_COLLECT_AFTER_SECONDS": f"{GRACE_SECONDS:g}", "M2KT_UPLOAD_HOURS": "0.001"}
        with embedded({"M2KT_BLOBS": blobs, **grace}) as stack:
            soak = Soak(stack, blobs, events, seed)
            done = soak.run(kills)
            return {**done, "policy": POLICY}


class Soak:
    """One run: its stack, its threads, and what they were told."""

    def __init__(self, stack: Stack, blobs: str, events: int, seed: int) -> None:
        self._stack, self._events, self._seed = stack, events, seed
        self._engine = make_engine(stack.addresses.database_url)
        self._sessions: Sessions = make_sessions(self._engine)
        self._store: BlobStore = open_store(blobs, self._sessions)
        self._key = load_private(stack.runtime.layout.keys / "broker.key")
        self.history = History()
        self._over = threading.Event()
        self._begun = time.monotonic()
        """When an upload began, the last time."""

    def run(self, kills: int) -> dict[str, object]:
        os.kill(_pid(self._stack, "worker"), signal.SIGSTOP)  # `up` takes it for one that runs
        helpers = [threading.Thread(target=self._until_over, args=(step,)) for step in (self._scan, self._collect)]
        clients = [threading.Thread(target=self._client, args=(number,)) for number in range(CLIENTS)]
        for each in (*helpers, *clients):
            each.start()
        killed = self._kill(kills, clients)
        for each in clients:
            each.join()
        _up(self._stack)
        self._settle()
        self._over.set()
        for each in helpers:
            each.join()
        self._judge()
        self._engine.dispose()
        return self._figures(killed)

    def _figures(self, killed: int) -> dict[str, object]:
        found = self.history
        for fault in found.faults[:20]:
            print(fault, file=sys.stderr)
        return {
            "events": found.events.total(),
            "acknowledged": found.acknowledged.total(),
            "kills": killed,
            "lost": len(found.faults) - found.wrong_bytes,
            "wrong_bytes": found.wrong_bytes,
            "packets": len(found.packets),
            **found.events,
            "unanswered": dict(found.unanswered),
        }

    def _kill(self, kills: int, clients: list[threading.Thread]) -> int:
        """Spread the kills over the run; returns how many there were."""
        dice, killed = random.Random(self._seed), 0
        while killed < kills and any(each.is_alive() for each in clients):
            if self.history.acknowledged.total() < self._events * (killed + 1) // (kills + 1):
                time.sleep(0.02)
                continue
            time.sleep(dice.uniform(0, 0.2))
            pid = _pid(self._stack, VICTIMS[killed % len(VICTIMS)])
            os.kill(pid, signal.SIGKILL)
            while birth(pid) is not None:  # a server that is just dying must not be taken for one that runs
                time.sleep(0.005)
            killed += 1
            _up(self._stack)
        return killed

    # The clients

    def _client(self, number: int) -> None:
        dice = random.Random(f"{self._seed} {number}")
        steps: list[tuple[Callable[[Client, random.Random, int], None], int]]
        steps = [(self._publish, 35), (self._pull, 45), (self._revoke, 12), (self._abandon, 8)]
        actions, weights = zip(*steps, strict=True)
        client, turn = self._stack.client(), 0
        while self.history.acknowledged.total() < self._events:
            turn += 1
            try:
                dice.choices(actions, weights)[0](client, dice, number * 1_000_000 + turn)
            except M2KTError as error:
                self.history.refused(error.code)
                self._judge_refusal(error)
                time.sleep(0.05)
        client.close()

    def _judge_refusal(self, error: M2KTError) -> None:
        """Too many open uploads is a fair answer to clients who leave them behind faster than the sweep ends them, as
        long as uploads begin again. Any other refusal is a fault."""
        stuck = time.monotonic() - self._begun > SETTLE_SECONDS
        if not isinstance(error, Unavailable) and (stuck or not isinstance(error, QuotaExceeded)):
            self.history.lost(f"a request was refused: {type(error).__name__} {error.detail}")

    def _publish(self, client: Client, dice: random.Random, number: int) -> None:
        data = _packet(number, self._stack.admin, rows=dice.choice((2, 2, 600)))
        self.history.begins("publish")
        told = client.publish(data) if dice.random() < 0.5 else self._in_parts(client, data)
        self.history.published(str(told["packet_id"]), data)

    def _pull(self, client: Client, dice: random.Random, _: int) -> None:
        told = self.history.any(dice)
        if told is None:
            return
        self.history.begins("pull")
        before = told.revoked
        try:
            self.history.pulled(told, before, client.fetch(told.packet_id))
        except PacketRevoked:
            if not told.revoking:
                self.history.lost(f"{told.packet_id}: revoked by nobody")
            self.history.ends("pull")
        except NotPullable:
            self.history.ends("pull")
        except NotFound:
            self.history.lost(f"{told.packet_id}: acknowledged and not found")

    def _revoke(self, client: Client, dice: random.Random, _: int) -> None:
        told = self.history.any(dice)
        if told is None:
            return
        self.history.begins("revoke")
        told.revoking = True
        client.revoke(told.packet_id, "soaked")
        told.revoked = True
        self.history.ends("revoke")

    def _abandon(self, client: Client, dice: random.Random, number: int) -> None:
        """Begin an upload and leave it behind, or give it up."""
        data = _packet(number, self._stack.admin, rows=600)
        self.history.begins("abandon")
        upload = self._begin(client, data)
        _append(client, upload, data, 0)
        if dice.random() < 0.5:
            client._transport.send("DELETE", f"/v1/uploads/{upload['id']}", signed=True)
        self.history.ends("abandon")

    def _begin(self, client: Client, data: bytes) -> dict[str, object]:
        order = {"digest": f"sha256:{sha256(data).hexdigest()}", "length": len(data)}
        upload = client._transport.post("/v1/uploads", order)
        self._begun = time.monotonic()
        return upload

    def _in_parts(self, client: Client, data: bytes) -> dict[str, object]:
        """As the SDK does, in parts of the smallest size. What breaks in between is left behind, and begun again
        later."""
        upload = self._begin(client, data)
        at = int(str(upload["received"]))
        while at < len(data):
            at = _append(client, upload, data, at)
        return client._transport.post(f"/v1/uploads/{upload['id']}/complete")

    # The worker's place

    def _until_over(self, step: Callable[[], None]) -> None:
        while not self._over.is_set():
            try:
                step()
            except M2KTError:
                time.sleep(0.1)

    def _scan(self) -> None:
        """The light policy on the next packet that waits."""
        with transaction(self._sessions) as session:
            held = jobs.claim(session, "soak", 30, [JobKind.SCAN])
            if held is not None:
                data = scans.begin(session, self._key, self._store, held.packet_id or "")
                if data is not None:
                    read_packet(data)
                    checks = [{"name": each, "version": "1", "outcome": "pass"} for each in POLICY["checks"]]
                    verdict = {"passed": True, "checks": checks}
                    scans.conclude(session, self._key, held.packet_id or "", verdict)
                jobs.succeed(session, held, {"policy": POLICY["name"]})
                return
        time.sleep(0.02)

    def _collect(self) -> None:
        with transaction(self._sessions) as session:
            found = self._store.collect(session, GRACE_SECONDS)
        if found:  # a look at nothing is no event
            self.history.begins("collect")
            self.history.ends("collect")
        time.sleep(0.1)

    # The end

    def _settle(self) -> None:
        """Until every packet is decided, as long as some are: a loaded machine leaves a long queue."""
        last, end = -1, time.monotonic() + SETTLE_SECONDS
        waiting = "SELECT count(*) FROM packets WHERE state IN ('received', 'scanning')"
        while time.monotonic() < end:
            with suppress(psycopg.Error), self._stack.database() as database:
                (count,) = database.execute(waiting).fetchone() or (0,)
                if count == 0:
                    return
                if count != last:
                    last, end = count, time.monotonic() + SETTLE_SECONDS
            time.sleep(0.2)
        self.history.lost(f"{last} packets were never decided; {self._scan_jobs()}")

    def _scan_jobs(self) -> str:
        """What became of the scans of what nobody decided."""
        query = (
            "SELECT coalesce(j.state, 'none'), count(*) FROM packets p LEFT JOIN jobs j ON j.packet_id = p.packet_id "
            "AND j.kind = 'scan' WHERE p.state IN ('received', 'scanning') GROUP BY 1"
        )
        with self._stack.database() as database:
            return f"scan jobs by state: {dict(database.execute(query).fetchall())}"

    def _judge(self) -> None:
        for told in list(self.history.packets.values()):
            with transaction(self._sessions) as session:
                packet = session.get(Packet, told.packet_id)
                if packet is None:
                    self.history.lost(f"{told.packet_id}: acknowledged and not there")
                    continue
                self._judge_one(told, packet, b"".join(self._pieces(session, packet)))

    def _pieces(self, session: object, packet: Packet) -> Iterator[bytes]:
        with suppress(Unavailable):
            yield from self._store.read(session, packet.content_sha256, 0, packet.size)  # type: ignore[arg-type]

    def _judge_one(self, told: Told, packet: Packet, data: bytes) -> None:
        if told.revoked and packet.state != "revoked":
            self.history.lost(f"{told.packet_id}: its revocation was acknowledged, and it is {packet.state}")
        if not told.revoking and packet.state != "approved":
            self.history.lost(f"{told.packet_id}: is {packet.state}")
        if f"sha256:{sha256(data).hexdigest()}" != told.digest:
            self.history.lost(f"{told.packet_id}: its bytes are not in the store")


def _append(client: Client, upload: dict[str, object], data: bytes, at: int) -> int:
    """Where the upload is after this part."""
    path, headers = f"/v1/uploads/{upload['id']}", {"Content-Type": PART, "Upload-Offset": str(at)}
    try:
        answer = client._transport.send("PATCH", path, content=data[at : at + STEP], headers=headers, signed=True)
    except UploadOffset:
        answer = client._transport.send("GET", path, signed=True)
    return int(answer.json()["received"])


def _pid(stack: Stack, name: str) -> int:
    found = next(each for each in stack.runtime.status() if each.name == name)
    assert found.pid, f"{name} does not run"
    return found.pid


def _up(stack: Stack) -> None:
    """What a service manager does: start again what died, until it holds."""
    for _ in range(5):
        with suppress(M2KTError):
            stack.runtime.up()
            return
    stack.runtime.up()


def _packet(number: int, key: PrivateKey, rows: int) -> bytes:
    tensors = {"anchors/states": np.random.default_rng(number).normal(size=(rows, 64)).astype(np.float32)}
    digest = f"sha256:{sha256(b'soak').hexdigest()}"
    manifest = Manifest.describe(
        kind=PacketKind.ANCHORS,
        name="bench/soak",
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
