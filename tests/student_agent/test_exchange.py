"""The networked exchange: real peers, a real broker and a real worker that scans; and what a peer survives."""

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
import torch

from bench.embedded import Stack
from bench.exchange_network import SETTINGS, Meeting, Peers, compare, local
from m2kt.client import Client, LogRules
from m2kt.client.exchanges import Masked
from m2kt.dev import Runtime
from m2kt.errors import ChildFailed, Evicted, ExchangeError, ExchangeOver, M2KTError, SamplesChanged, UsageError
from m2kt.exchange import RoundPlan
from m2kt.neural.exchange import Losses, Peer, run_local
from m2kt.signing.keys import TrustStore, generate, load_private
from student_agent import resuming
from student_agent.exchange import describe
from student_agent.factories import make_peer
from student_agent.member import Member, Terms
from student_agent.resuming import Learned

PLAN = RoundPlan(seed=11, rounds=2, samples_per_round=32, steps_per_round=2)
FACTORY = Peers().factory


def made(name: str = "ann", plan: RoundPlan = PLAN) -> Peer:
    return make_peer(FACTORY, name, plan, SETTINGS)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A broker with a worker."""
    runtime = Runtime(tmp_path_factory.mktemp("exchange"))
    try:
        addresses = runtime.up()
        assert addresses.admin_key
        yield Stack(runtime, addresses, load_private(addresses.admin_key))
    finally:
        runtime.down()


@pytest.fixture
def database(broker: Stack) -> str:
    return broker.addresses.database_url.replace("postgresql+psycopg://", "postgresql://")


NAMES = ("ann", "bob", "cyd")


@pytest.fixture
def meet(broker: Stack, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A meeting of some of the peers, under names that no other test has."""
    made: list[Meeting] = []

    def make(plan: RoundPlan = PLAN, count: int = 3, factory: str = FACTORY, **terms: Any) -> Meeting:
        mark = f"{abs(hash(request.node.name)) % 10**6}"
        names = tuple(f"{name}-{mark}" for name in NAMES[:count])
        widths = {f"{name}-{mark}": width for name, width in SETTINGS["widths"].items()}
        meeting = Meeting(
            broker.url, broker.admin, tmp_path, plan, Peers(names, factory, {**SETTINGS, "widths": widths})
        )
        made.append(meeting)
        meeting.register()
        meeting.open(**{"phase_seconds": 60.0, "join_seconds": 60.0, **terms})
        return meeting

    yield make
    for meeting in made:
        meeting.client.close()


def member(meeting: Meeting, name: str, peer: Peer | None = None) -> Member:
    """A peer in this process, with a connection of its own."""
    key = meeting.keys[name]
    trust = TrustStore.from_path(meeting.folder / "trust")
    client = Client(meeting.url, key, trust, log=LogRules())
    peer = peer or make_peer(meeting.peers.factory, name, meeting.plan, meeting.peers.settings)
    return Member(peer, client, key, meeting.id, Terms(meeting.folder / "state" / name))


def run_threads(members: list[Member]) -> list[Any]:
    """All at once; what each returned or raised."""

    def one(each: Member) -> Any:
        try:
            return alone(each)
        except M2KTError as error:
            return error

    with ThreadPoolExecutor(len(members)) as pool:
        return list(pool.map(one, members))


def alone(each: Member) -> Any:
    """Take part, and close the connection."""
    with each.client:
        return each.take_part()


def still(meeting: Meeting, name: str, kind: type[Peer] = Peer) -> Peer:
    """A peer without dropout: threads share torch's random numbers."""
    peer = make_peer(FACTORY, name, meeting.plan, meeting.peers.settings)
    for part in peer.model.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
    peer.__class__ = kind
    return peer


@pytest.mark.nightly
@pytest.mark.timeout(600)
def test_peers_as_processes_equal_the_local_form(meet: Any) -> None:
    """With dropout, schedules and several steps a round."""
    meeting = meet(replace(PLAN, rounds=4))
    assert [each["state"] for each in meeting.run_all()] == ["finished"] * 3
    found = compare(local(meeting.plan, meeting.peers), meeting.seen())
    assert found.masks_equal
    assert found.largest_loss_difference <= 1e-5


def test_network_equals_local(meet: Any) -> None:
    meeting = meet()
    views = run_threads([member(meeting, name, still(meeting, name)) for name in meeting.peers.names])
    assert [each["state"] for each in views] == ["finished"] * 3
    ours = run_local([still(meeting, name) for name in meeting.peers.names], meeting.plan)
    found = compare(ours, meeting.seen())
    assert found.equal, found
    shares = [np.bincount(each.teachers, minlength=3) for each in meeting.seen()]
    assert all((each > 0).sum() >= 2 for each in shares)  # else nobody had anything to learn


@pytest.mark.nightly
def test_a_peer_that_is_killed_mid_round_goes_on_from_its_checkpoint(meet: Any) -> None:
    """Killed by signal 9 in the second of three rounds, started again: masks and losses are as if nothing had been."""
    meeting = meet(replace(PLAN, rounds=3), count=2)
    ann, bob = meeting.peers.names
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(alone, member(meeting, ann, still(meeting, ann)))
        with pytest.raises(ChildFailed, match="SIGKILL"):
            meeting.run(bob, on_start=lambda pid: kill_in_round(meeting, 1, bob, pid))
        assert meeting.run(bob)["state"] == "finished"
        assert other.result()["state"] == "finished"
    peers = [still(meeting, ann), make_peer(FACTORY, bob, meeting.plan, meeting.peers.settings)]
    assert compare(run_local(peers, meeting.plan), meeting.seen()).equal


def kill_in_round(meeting: Meeting, number: int, name: str, pid: int) -> None:
    """Kill a process as soon as it has posted in a round."""

    def watch() -> None:
        await_view(meeting, lambda view: posted(view, number, name))
        os.kill(pid, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def await_view(meeting: Meeting, wanted: Callable[[dict[str, Any]], bool]) -> None:
    with Client(meeting.url) as client:
        view = client.exchange(meeting.id)
        while not wanted(view):
            view = client.exchange(meeting.id, after=view["step"], wait=20)


def reports(view: dict[str, Any]) -> set[str]:
    """Who has reported in the present round."""
    return {each["peer"] for each in (view["current"] or {"turns": []})["turns"] if each["report"]}


def posted(view: dict[str, Any], number: int, name: str) -> bool:
    current = view["current"]
    return bool(current and current["number"] >= number and any(each["peer"] == name for each in current["turns"]))


@pytest.mark.nightly
def test_a_peer_that_dies_for_good_is_dropped_with_a_report_and_the_others_finish(meet: Any, database: str) -> None:
    meeting = meet()

    class Dying(Peer):
        def learn(self, *_: Any) -> Losses:
            raise KeyboardInterrupt  # as a host that goes away: nobody is told

    *rest, last = meeting.peers.names
    members = [member(meeting, name, still(meeting, name)) for name in rest]
    gone = member(meeting, last, still(meeting, last, Dying))

    def die() -> None:
        with pytest.raises(KeyboardInterrupt):
            alone(gone)

    def pass_the_deadline() -> None:
        await_view(meeting, lambda view: reports(view) == {*rest})
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("UPDATE exchanges SET deadline = clock_timestamp() WHERE id = %s", (meeting.id,))

    threads = [threading.Thread(target=each) for each in (die, pass_the_deadline)]
    for each in threads:
        each.start()
    assert [each["state"] for each in run_threads(members)] == ["finished"] * 2
    for each in threads:
        each.join()
    view = meeting.client.exchange(meeting.id)
    told = {each["name"]: (each["state"], each["reason"]) for each in view["peers"]}
    assert told[last] == ("absent", "round 0: it did not report that it has learned")
    assert view["reason"] == "all rounds are done; 2 peers did the last one"


@pytest.mark.nightly
def test_a_peer_whose_samples_change_leaves_and_says_why(meet: Any) -> None:
    meeting = meet(phase_seconds=5.0)

    class Changing(Peer):
        def learn(self, *given: Any) -> Losses:
            losses = super().learn(*given)
            self.samples.labels[:] = 0  # type: ignore[attr-defined]
            return losses

    *rest, last = meeting.peers.names
    members = [member(meeting, name, still(meeting, name)) for name in rest]
    found = run_threads([*members, member(meeting, last, still(meeting, last, Changing))])
    assert isinstance(found[-1], SamplesChanged)
    assert [each["state"] for each in found[:-1]] == ["finished"] * 2
    reason = next(each["reason"] for each in meeting.client.exchange(meeting.id)["peers"] if each["name"] == last)
    assert reason.startswith("it left: exchange-samples-changed: the sample set of")


@pytest.mark.nightly
def test_a_peer_that_lies_is_found_by_the_others_and_evicted(meet: Any) -> None:
    meeting = meet()

    class Liar(Peer):
        """Says that it knows everything: its predictions for a wrong class bear its claims out."""

        def predict(self, number: int) -> np.ndarray:
            return np.eye(3, dtype=np.float32)[(self.labels(number) + 1) % 3] * 9

        def confidences(self, number: int, logits: np.ndarray) -> np.ndarray:
            truth = logits.argmax(1)
            powers = np.exp(logits.astype(np.float64))
            return (powers / powers.sum(1, keepdims=True))[np.arange(len(truth)), truth].astype(np.float32)

    *rest, last = meeting.peers.names
    liar = member(meeting, last, still(meeting, last, Liar))
    found = run_threads([*(member(meeting, name, still(meeting, name)) for name in rest), liar])
    assert [each["state"] for each in found[:-1]] == ["finished"] * 2
    assert isinstance(found[-1], Evicted)
    kept = meeting.client.exchange_round(meeting.id, 0)["complaints"]
    assert {(each["complainant"], each["accused"]) for each in kept} == {(name, last) for name in rest}


@pytest.mark.nightly
def test_a_dense_task_over_the_network_equals_the_local_form(meet: Any) -> None:
    meeting = meet(count=2, factory="bench.tiny_peers:dense")
    names, settings = meeting.peers.names, meeting.peers.settings
    views = run_threads([member(meeting, name) for name in names])
    assert [each["state"] for each in views] == ["finished"] * 2
    ours = [make_peer(meeting.peers.factory, name, PLAN, settings) for name in names]
    assert compare(run_local(ours, PLAN), meeting.seen()).equal


# Without a broker


class Saying:
    """A client that has these masks to tell."""

    def __init__(self, masked: Masked) -> None:
        self._masked = masked

    def exchange_masks(self, *_: Any) -> Masked:
        return self._masked


def told(tmp_path: Path, masked: Masked) -> Masked:
    client: Any = Saying(masked)
    return Member(made(), client, generate(), "x", Terms(tmp_path))._masks(0)


def test_a_broker_whose_masks_are_not_those_of_the_confidences_is_not_believed(tmp_path: Path) -> None:
    known = np.array([[0.9, 0.1], [0.2, 0.8]], np.float32)
    right = Masked(("ann", "bob"), known, np.array([0, 1], np.uint8))
    assert told(tmp_path, right) is right
    for wrong in (
        replace(right, teachers=np.array([1, 1], np.uint8)),
        replace(right, peers=("bob", "ann")),
        replace(right, peers=("abe", "bob")),
    ):
        with pytest.raises(ExchangeError, match="masks"):
            told(tmp_path, wrong)


def test_a_checkpoint_brings_a_peer_to_where_it_was(tmp_path: Path) -> None:
    peer, path = made(), tmp_path / "ann.pt"
    peer.learn(0, np.zeros((32, 3), np.float32), np.ones(32, bool))
    resuming.save(path, "x", peer, Learned(0, Losses(0.5, 0.25), ("bob",)))
    again = made()
    assert resuming.restore(path, "x", again) == Learned(0, Losses(0.5, 0.25), ("bob",))
    given = np.zeros((32, 3), np.float32), np.zeros(32, bool)
    assert again.learn(1, *given) == peer.learn(1, *given)
    assert np.array_equal(again.predict(1), peer.predict(1))


def test_without_a_checkpoint_a_peer_begins_anew(tmp_path: Path) -> None:
    assert resuming.restore(tmp_path / "none.pt", "x", made()) is None


@pytest.mark.parametrize("change", ["exchange", "peer", "plan", "half", "junk"])
def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path, change: str) -> None:
    path, peer, exchange = tmp_path / "ann.pt", made(), "x"
    resuming.save(path, "x", peer, Learned(0, Losses(0.5, 0.25)))
    if change == "exchange":
        exchange = "y"
    elif change == "peer":
        peer = made("bob")
    elif change == "plan":
        peer = made(plan=replace(PLAN, seed=1))
    elif change == "half":
        path.write_bytes(path.read_bytes()[:100])
    else:
        torch.save({"schema": resuming.SCHEMA}, path)
    with pytest.raises(M2KTError, match=r"ann\.pt"):
        resuming.restore(path, exchange, peer)


@pytest.mark.parametrize(
    ("factory", "words"),
    [
        ("nobody", "no peer factory is registered as 'nobody'"),
        ("no.such.module:make", "does not load: ModuleNotFoundError"),
        ("bench.tiny_peers:none", "does not load: AttributeError"),
        ("bench.tiny_peers:CLASSES", "is no function"),
        ("bench.tiny_peers:points", "does not work"),
        ("builtins:print", "made a NoneType"),
    ],
)
def test_a_factory_that_makes_no_peer_says_why(factory: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        make_peer(factory, "ann", PLAN, SETTINGS)


def test_a_task_is_described_by_digests_only() -> None:
    found = describe({"peer": FACTORY, "name": "ann", "settings": SETTINGS})
    task = made().task
    assert found == {
        "name": "bands",
        "classes": list(task.classes),
        "samples_sha256": task.samples_sha256,
        "sample_count": 240,
        "labels_sha256": task.labels_sha256,
        "shape": "1",
    }
    assert json.loads(json.dumps(found)) == found


def test_an_exchange_that_is_over_cannot_be_joined(meet: Any) -> None:
    meeting = meet(count=2)
    meeting.client.cancel_exchange(meeting.id)
    with pytest.raises(ExchangeOver, match="cancelled"):
        alone(member(meeting, meeting.peers.names[0]))
