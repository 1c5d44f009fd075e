"""Leases, guards, drains and watches by themselves: clocks are the tests' own, processes are real."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from m2kt.agent.directory import Watch, digest
from m2kt.agent.drain import Drain
from m2kt.agent.guard import End, Guard
from m2kt.agent.lease import Leases, Offer
from m2kt.client import Client
from m2kt.errors import LeaseLost, ModelError

SLEEPER = "import time; time.sleep(600)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(600)"


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Broker:
    """Leases one job after the other, and remembers what it was told."""

    said: list[tuple[str, Any]] = field(default_factory=list)

    def lease_job(self, session: str, kinds: list[str], **offer: Any) -> dict[str, Any]:
        number = len(self.said)
        self.said.append(("leased", offer))
        return {
            "job": f"job-{number}",
            "kind": "noop",
            "spec": {},
            "fence": 1,
            "limit_seconds": None,
            "lease_seconds": 60.0,
        }

    def finish_job(self, lease: dict[str, Any], session: str, outcome: str, **said: Any) -> None:
        self.said.append((outcome, said))

    def release_job(self, lease: dict[str, Any], session: str, *, reason: str, seconds: float) -> None:
        self.said.append(("released", reason))


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen([sys.executable, "-c", SLEEPER], start_new_session=True)
    yield process
    process.kill()
    process.wait()


def leases_of(broker: Broker, clock: Clock, heard: Clock) -> Leases:
    return Leases(cast(Client, broker), "session-1", heard, clock)


def test_a_lease_that_was_not_renewed_in_time_ends_its_process(sleeper: "subprocess.Popen[bytes]") -> None:
    clock, heard, broker = Clock(), Clock(0.0), Broker()
    leases = leases_of(broker, clock, heard)
    held = leases.take(["noop"], Offer())
    assert held
    held.guard.watch(sleeper.pid)
    clock.now += 59
    leases.mind()
    assert held.guard.end is None
    clock.now += 2
    threading.Thread(target=leases.mind).start()
    assert sleeper.wait(30) == -signal.SIGTERM
    held.guard.release()
    with pytest.raises(LeaseLost, match="in time"):
        leases.succeed(held, {})
    assert [each[0] for each in broker.said] == ["leased"]


def test_a_beat_renews_only_what_was_held_when_it_began() -> None:
    clock, heard, broker = Clock(), Clock(999.0), Broker()
    leases = leases_of(broker, clock, heard)
    held = leases.take(["noop"], Offer())
    assert held
    assert held.expires(999.0) == 1060.0
    assert held.expires(1030.0) == 1090.0
    heard.now, clock.now = 1030.0, 1080.0
    leases.mind()
    assert not held.lost
    assert leases.told() == [{"job": held.job, "fence": 1}]


def test_an_order_to_stop_is_final() -> None:
    broker = Broker()
    leases = leases_of(broker, Clock(), Clock())
    held = leases.take(["noop"], Offer(gpu=True, models=("m",), site="here"))
    assert held
    leases.stop(held.job, "it is cancelled")
    leases.stop(held.job, "twice does no harm")
    assert leases.told() == []
    for write in (lambda: leases.succeed(held, {}), lambda: leases.give_back(held, "why")):
        with pytest.raises(LeaseLost, match="it is cancelled"):
            write()
    assert broker.said == [("leased", {"gpu": True, "memory_mib": 0, "models": ["m"], "site": "here"})]


def test_a_reason_is_one_line_of_bounded_length() -> None:
    broker = Broker()
    leases = leases_of(broker, Clock(), Clock())
    held = leases.take(["noop"], Offer())
    assert held
    leases.give_back(held, "no\n" + "x" * 1000)
    assert broker.said[-1] == ("released", "no " + "x" * 397)


def test_a_child_that_does_not_listen_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("m2kt.agent.guard.GRACE_SECONDS", 0.2)
    process = subprocess.Popen([sys.executable, "-c", DEAF], start_new_session=True, stdout=subprocess.PIPE)
    assert process.stdout
    process.stdout.readline()
    guard = Guard(0.0)
    guard.watch(process.pid)
    guard.stop(End.LOST)
    assert process.wait(30) == -signal.SIGKILL
    process.stdout.close()
    assert guard.end is End.LOST


def test_a_child_that_comes_too_late_is_ended_at_once(sleeper: "subprocess.Popen[bytes]") -> None:
    guard = Guard(0.0)
    guard.stop(End.LEAVING)
    guard.watch(sleeper.pid)
    assert sleeper.wait(30) == -signal.SIGKILL


def test_the_second_signal_leaves_no_time() -> None:
    clock = Clock()
    drain = Drain(30, clock)
    with drain.on_signals():
        assert not drain.asked
        os.kill(os.getpid(), signal.SIGTERM)
        assert drain.rest(10)
        assert not drain.over
        os.kill(os.getpid(), signal.SIGINT)
        assert drain.over
    assert drain.why == "SIGTERM"


def test_a_signal_in_the_middle_of_an_order_to_drain_waits_for_nothing() -> None:
    """A handler interrupts its own thread: a lock that `ask` held would be waited for without end."""
    strikes = iter([signal.SIGTERM])

    def struck() -> float:
        for number in strikes:
            os.kill(os.getpid(), number)
        return 0.0

    drain = Drain(30, struck)
    with drain.on_signals():
        drain.ask("a test")
    assert drain.why == "SIGTERM"
    assert drain.rest(10)


def test_signals_while_it_rests_are_heard() -> None:
    for n in range(200):
        drain = Drain(30)
        with drain.on_signals():
            striking = threading.Timer(n * 1e-5, os.kill, (os.getpid(), signal.SIGTERM))
            striking.start()
            while not drain.rest(1e-5):
                pass
            striking.join()
        assert drain.rest(10), "for whoever else rests"


def test_a_drain_is_over_after_its_time() -> None:
    clock = Clock()
    drain = Drain(30, clock)
    clock.now += 1e6
    assert not drain.over
    drain.ask("a test")
    clock.now += 29
    assert not drain.over
    clock.now += 1
    assert drain.over


def test_a_directory_has_settled_when_nothing_changed_for_a_while(tmp_path: Path) -> None:
    clock = Clock()
    watch = Watch(tmp_path / "model", 10, clock)
    with pytest.raises(ModelError):
        watch.settled()
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights").write_bytes(b"1")
    assert watch.settled() is None
    clock.now += 9
    (tmp_path / "model" / "tokenizer").write_bytes(b"2")
    assert watch.settled() is None
    clock.now += 9
    assert watch.settled() is None
    clock.now += 1
    assert watch.settled() == digest(tmp_path / "model")


def test_hidden_files_are_no_part_of_a_model_and_names_are(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(b"1")
    before = digest(tmp_path)
    (tmp_path / ".weights.part").write_bytes(b"2")
    assert digest(tmp_path) == before
    (tmp_path / "weights").rename(tmp_path / "other")
    assert digest(tmp_path) != before
