"""One plan and one seed, twice: peers in one process, and peers as processes that meet at a broker.

`network_equals_local` says whether masks are equal and losses equal to 1e-5. Run alone it also says how long a round
takes: ``python -m bench.exchange_network --json``.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.embedded import Stack, embedded
from m2kt.agent.child import run_child
from m2kt.client import Client
from m2kt.exchange import RoundPlan
from m2kt.exchange.packets import description, shape_text
from m2kt.neural.exchange import Round, run_local
from m2kt.signing.keys import PrivateKey, generate, write_private, write_public
from student_agent.factories import make_peer

FACTORY = "bench.tiny_peers:make"
TOLERANCE = 1e-5
PLAN = RoundPlan(seed=11, rounds=4, samples_per_round=48, steps_per_round=2)
SETTINGS: dict[str, Any] = {"samples": 240, "seed": 3, "widths": {"ann": 4, "bob": 16, "cyd": 64}}


def _found() -> dict[str, str]:
    """Where a child finds the peers of this package: it does not look into its own directory."""
    return {"PYTHONPATH": os.pathsep.join(filter(None, (str(Path(__file__).parent.parent), *sys.path)))}


@dataclass(frozen=True)
class Peers:
    """Who meets: a factory that both forms use, its settings, and names."""

    names: Sequence[str] = ("ann", "bob", "cyd")
    factory: str = FACTORY
    settings: dict[str, Any] = field(default_factory=lambda: SETTINGS)


@dataclass(frozen=True, eq=False)
class Seen:
    """What a broker saw of a round: ``teachers`` (P,) by name's place, losses (K, 2)."""

    teachers: NDArray[np.int64]
    losses: NDArray[np.float64]


@dataclass(frozen=True)
class Compared:
    """How far the two forms are apart."""

    masks_equal: bool
    largest_loss_difference: float
    rounds: int

    @property
    def equal(self) -> bool:
        return self.masks_equal and self.largest_loss_difference <= TOLERANCE


class Meeting:
    """An exchange at a running broker, with agents and keys of its own in ``folder``."""

    def __init__(self, url: str, admin: PrivateKey, folder: Path, plan: RoundPlan, peers: Peers) -> None:
        self.url, self.folder, self.plan, self.peers = url, folder, plan, peers
        self.client = Client(url, admin)
        self.keys = {name: generate() for name in peers.names}
        (folder / "trust").mkdir(parents=True)
        (folder / "trust" / "broker.pub").write_text(str(self.client.broker()["public_key"]) + "\n")
        for name, key in self.keys.items():
            write_private(folder / f"{name}.key", key)
            write_public(folder / "trust" / f"{name}.pub", key.public_key())
        self.id = ""

    def register(self) -> None:
        """Make the peers known to the broker."""
        for name, key in self.keys.items():
            self.client.register_agent(name, "student", key.public_key())

    def open(self, **terms: Any) -> str:
        """Open the exchange for exactly these peers."""
        peer = make_peer(self.peers.factory, self.peers.names[0], self.plan, self.peers.settings)
        task, shape = peer.task, shape_text(tuple(peer.labels(0).shape[1:]))
        said = description(task.name, task.classes, task.samples_sha256, len(task.samples), task.labels_sha256, shape)
        opened = self.client.open_exchange(said, self.plan, invited=list(self.peers.names), **terms)
        self.id = str(opened["id"])
        return self.id

    def spec(self, name: str) -> dict[str, Any]:
        """What a peer's process is told."""
        return {
            "exchange": self.id,
            "broker": self.url,
            "key": str(self.folder / f"{name}.key"),
            "trust": str(self.folder / "trust"),
            "peer": self.peers.factory,
            "settings": self.peers.settings,
            "state": str(self.folder / "state" / name),
            "threads": 1,
        }

    def run(self, name: str, on_start: Callable[[int], None] = lambda _: None) -> dict[str, Any]:
        """One peer as a process of its own, until the exchange ends."""
        log = self.folder / f"{name}.log"
        return run_child("student_agent", "exchange", self.spec(name), log=log, env=_found(), on_start=on_start)

    def run_all(self) -> list[dict[str, Any]]:
        """Every peer as a process, at the same time."""
        with ThreadPoolExecutor(len(self.peers.names)) as pool:
            return list(pool.map(self.run, self.peers.names))

    def seen(self) -> list[Seen]:
        """What the broker has of all rounds."""
        return [self._seen(number) for number in range(self.plan.rounds)]

    def _seen(self, number: int) -> Seen:
        masks = self.client.exchange_masks(self.id, number)
        reports = {each["peer"]: each["report"] for each in self.client.exchange_round(self.id, number)["turns"]}
        losses = [[reports[name]["task"], reports[name]["exchange"]] for name in sorted(self.peers.names)]
        names = np.array([sorted(self.peers.names).index(each) for each in masks.peers])
        return Seen(names[masks.teachers], np.array(losses))


def local(plan: RoundPlan, peers: Peers) -> list[Round]:
    """The local form of the same exchange."""
    return run_local([make_peer(peers.factory, name, plan, peers.settings) for name in peers.names], plan)


def compare(ours: Sequence[Round], theirs: Sequence[Seen]) -> Compared:
    """How far a local and a networked exchange are apart."""
    masks = all(
        np.array_equal(each.masks.reshape(len(each.masks), -1).argmax(axis=0), other.teachers)
        for each, other in zip(ours, theirs, strict=True)
    )
    apart = [
        np.abs(np.array([[loss.task, loss.exchange] for loss in each.losses]) - other.losses).max()
        for each, other in zip(ours, theirs, strict=True)
    ]
    return Compared(masks, float(max(apart)), len(ours))


def network_equals_local(plan: RoundPlan = PLAN, peers: Peers | None = None, stack: Stack | None = None) -> Compared:
    """Both forms with one plan and one seed, peers as processes; without ``stack``, on a broker of its own."""
    peers = peers or Peers()
    with _meeting(plan, peers, stack) as meeting:
        meeting.open(phase_seconds=120)
        meeting.run_all()
        return compare(local(plan, peers), meeting.seen())


@contextmanager
def _meeting(plan: RoundPlan, peers: Peers, stack: Stack | None) -> Iterator[Meeting]:
    if stack is None:
        with embedded({}) as own, _meeting(plan, peers, own) as meeting:
            yield meeting
        return
    with TemporaryDirectory(prefix="m2kt-meeting-") as folder:
        meeting = Meeting(stack.url, stack.admin, Path(folder), plan, peers)
        meeting.register()
        yield meeting
        meeting.client.close()


def round_seconds(meeting: Meeting) -> list[float]:
    """How long each round took, by the broker's clock."""
    found = [meeting.client.exchange_round(meeting.id, number) for number in range(meeting.plan.rounds)]
    return [
        (datetime.fromisoformat(each["ended"]) - datetime.fromisoformat(each["began"])).total_seconds()
        for each in found
    ]


def measure(plan: RoundPlan, peers: Peers) -> dict[str, Any]:
    """Equality and time, on a stack of its own."""
    with embedded({}) as stack, _meeting(plan, peers, stack) as meeting:
        meeting.open(phase_seconds=120)
        begun = time.perf_counter()
        meeting.run_all()
        took = time.perf_counter() - begun
        found = compare(local(plan, peers), meeting.seen())
        seconds = round_seconds(meeting)
    return {
        "network_equals_local": found.equal,
        "masks_equal": found.masks_equal,
        "largest_loss_difference": found.largest_loss_difference,
        "peers": len(peers.names),
        "rounds": found.rounds,
        "round_seconds_median": round(float(np.median(seconds)), 3),
        "round_seconds": [round(each, 3) for each in seconds],
        "all_seconds": round(took, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON line, and nothing else")
    parser.add_argument("--peers", type=int, default=3, choices=(2, 3))
    parser.add_argument("--rounds", type=int, default=PLAN.rounds)
    told = parser.parse_args()
    plan = RoundPlan(PLAN.seed, told.rounds, PLAN.samples_per_round, PLAN.steps_per_round)
    found = measure(plan, Peers(Peers().names[: told.peers]))
    print(json.dumps(found) if told.json else "\n".join(f"{name}: {each}" for name, each in found.items()))


if __name__ == "__main__":
    main()
