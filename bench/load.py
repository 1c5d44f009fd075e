"""Load for the chaos run: agents that order jobs and publish packets, whatever happens to the broker meanwhile.

What counts is what was acknowledged. An order is repeated under its idempotency key until it is.
"""

import http.client
import random
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from bench.embedded import Sender, Stack
from m2kt.client import Client
from m2kt.errors import Unavailable
from m2kt.signing import sign_packet
from tests.small import small_packet

ATTEMPTS = 10
"""Most for one job: the chaos, not the job, is what breaks it here."""

STALE_SITE = "stale"


@dataclass
class Load:
    """Threads that order until `stop`."""

    stack: Stack
    seed: int
    pause_seconds: float = 0.2
    publish_seconds: float = 6.0
    acknowledged: list[str] = field(default_factory=list)
    packets: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        targets: list[tuple[Any, tuple[int, ...]]] = [(self._order, (n,)) for n in range(2)]
        targets.append((self._publish, ()))
        self._threads = [threading.Thread(target=target, args=words, daemon=True) for target, words in targets]

    def start(self) -> None:
        for each in self._threads:
            each.start()

    def stop(self) -> None:
        self._stop.set()
        for each in self._threads:
            each.join()

    def ordered(self, sender: Sender, body: dict[str, Any]) -> str:
        """Order until the broker has acknowledged it; one key, so that it is one job."""
        key = str(uuid.uuid4())
        while True:
            try:
                status, job = sender.post("/v1/jobs", {"max_attempts": ATTEMPTS, **body}, **{"Idempotency-Key": key})
            except (OSError, http.client.HTTPException, ValueError):
                time.sleep(0.1)
                continue
            if status in (200, 201):
                self.acknowledged.append(str(job["id"]))
                return str(job["id"])
            assert status >= 500, job
            time.sleep(0.1)

    def _order(self, number: int) -> None:
        dice, sender = random.Random(self.seed + number), Sender(self.stack.url, self.stack.admin)
        last = None
        while not self._stop.is_set():
            body = _some_job(dice)
            if last is not None and dice.random() < 0.2:
                body["needs"] = [last]
            last = self.ordered(sender, body)
            self._stop.wait(dice.uniform(0, 2 * self.pause_seconds))
        sender.close()

    def _publish(self) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            data = sign_packet(small_packet(version=f"1.0.{number}"), self.stack.admin)
            self.packets.append(published(self.stack.client(), data))
            self._stop.wait(self.publish_seconds)


def _some_job(dice: random.Random) -> dict[str, Any]:
    spec: dict[str, Any]
    kind = dice.random()
    if kind < 0.05:
        spec = {
            "model": "m",
            "domain": "d",
            "name": f"chaos/{uuid.uuid4()}",
            "version": "1.0.0",
            "settings": {"seconds": dice.random() * 2},
        }
        return {"kind": "extract", "spec": spec}
    if kind < 0.4:
        return {"kind": "noop", "spec": {"seconds": dice.random()}}
    return {"kind": "noop", "priority": dice.randint(-5, 5)}


def published(client: Client, data: bytes) -> str:
    """Publish until it is acknowledged: publishing is idempotent by packet id."""
    with client:
        while True:
            try:
                return str(client.publish(data)["packet_id"])
            except Unavailable:
                time.sleep(0.1)
