"""Daemons at a real broker: two with one key, jobs that are lost, refused or handed back, and leaving."""

import itertools
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import psutil
import pytest

from m2kt.agent.doctor import Host, Level, registration
from m2kt.client import Client
from m2kt.errors import Conflict, LeaseLost, SessionEnded
from m2kt.signing import sign_packet
from m2kt.signing.keys import generate, load_private, write_private
from tests.daemons import Daemon, daemon, until
from tests.models import EXAMPLES
from tests.small import small_packet
from tests.stack import Stack

_names = (f"t-{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def broker(running_stack: Stack) -> Stack:
    return running_stack


@pytest.fixture
def client(broker: Stack) -> Iterator[Client]:
    with broker.client() as client:
        yield client


@pytest.fixture
def site(broker: Stack) -> str:
    """The name of an agent, and of the site where only it takes jobs."""
    return next(_names)


@pytest.fixture
def key(broker: Stack, site: str) -> Path:
    return broker.agent(site, "teacher")


def teacher(broker: Stack, key: Path, site: str, home: Path, **options: object) -> AbstractContextManager[Daemon]:
    told = {"broker": broker.url, "key": key, "site": site, "model": EXAMPLES / "teacher", "jobs": True}
    return daemon("teacher_agent", home, **told, device="cpu", threads=1, **options)


def order(client: Client, site: str, kind: str = "noop", **spec: object) -> str:
    return str(client.submit_job(kind, spec, labels={"site": site})["id"])


def extraction(site: str, **changed: object) -> dict[str, Any]:
    return {"model": "teacher", "domain": "chains", "name": f"tests/{site}", "version": "1.0.0", **changed}


def running(client: Client, job: str) -> bool:
    return bool(client.job(job)["state"] == "running")


def child_of(each: Daemon) -> psutil.Process | None:
    found = psutil.Process(each.process.pid).children()
    return found[0] if found else None


def test_of_two_daemons_with_one_key_the_older_stops(
    broker: Stack, client: Client, key: Path, site: str, tmp_path: Path
) -> None:
    with teacher(broker, key, site, tmp_path / "older") as older:
        assert client.wait_for_job(order(client, site), 120)["state"] == "succeeded"
        with teacher(broker, key, site, tmp_path / "newer") as newer:
            assert older.process.wait(120) == SessionEnded.exit_code
            # In the very moment of the change the broker sees the older session ended and not yet the newer one.
            assert any(each in older.said() for each in ("has taken its place", "this session of"))
            assert client.wait_for_job(order(client, site), 120)["state"] == "succeeded"
            assert newer.told_to_leave() == 0
    assert "left: SIGTERM" in newer.said()


@pytest.mark.nightly
def test_two_daemons_never_share_a_state(broker: Stack, client: Client, key: Path, site: str, tmp_path: Path) -> None:
    with teacher(broker, key, site, tmp_path) as first:
        until(lambda: "session epoch" in first.said(), "the session")
        with teacher(broker, key, site, tmp_path) as second:
            assert second.process.wait(120) == Conflict.exit_code
        assert "another daemon works in" in first.said()  # they write one log
        assert first.told_to_leave() == 0


@pytest.mark.nightly
def test_a_job_for_another_model_is_given_back_with_the_reason(
    broker: Stack, client: Client, key: Path, site: str, tmp_path: Path
) -> None:
    job = order(client, site, "extract", **extraction(site, model="/etc/another-model"))
    with teacher(broker, key, site, tmp_path) as each:
        assert client.wait_for_job(order(client, site), 120)["state"] == "succeeded"
        found = client.job(job)
        client.cancel_job(job)
        told = [event for event in client.follow_job(job) if event["event"] == "released"]
        assert each.told_to_leave() == 0
    assert (found["state"], found["attempt"]) == ("queued", 0)
    assert "this teacher has the model teacher, not '/etc/another-model'" in str(told[0])


@pytest.mark.nightly
def test_a_lost_lease_ends_the_work_and_publishes_nothing(
    broker: Stack, client: Client, key: Path, site: str, tmp_path: Path
) -> None:
    job = order(client, site, "extract", **extraction(site))
    with teacher(broker, key, site, tmp_path) as each:
        child = until(lambda: child_of(each), "the extraction's process")
        client.cancel_job(job)
        child.wait(120)
        until(lambda: "is thrown away" in each.said(), "the daemon to give up")
        assert client.wait_for_job(order(client, site), 120)["state"] == "succeeded"  # it goes on with others
        assert each.told_to_leave() == 0
    assert list(client.list(name=f"tests/{site}")) == []
    assert list((tmp_path / "state" / "packets").iterdir()) == []


@pytest.mark.nightly
def test_a_daemon_that_leaves_hands_its_job_back_and_leaves_no_process(
    broker: Stack, client: Client, key: Path, site: str, tmp_path: Path
) -> None:
    job = order(client, site, "extract", **extraction(site))
    with teacher(broker, key, site, tmp_path, drain_seconds=0) as each:
        child = until(lambda: child_of(each), "the extraction's process")
        until(lambda: running(client, job), "the job to run")
        assert each.told_to_leave() == 0
        assert not child.is_running()
    found = client.job(job)
    client.cancel_job(job)
    assert (found["state"], found["attempt"]) == ("queued", 0)


@pytest.mark.nightly
def test_a_drain_order_lets_what_runs_finish(
    broker: Stack, client: Client, key: Path, site: str, tmp_path: Path
) -> None:
    job = order(client, site, seconds=2)
    with teacher(broker, key, site, tmp_path) as each:
        until(lambda: running(client, job), "the job to run")
        client.drain_agent(site)
        assert each.process.wait(120) == 0
    assert client.job(job)["state"] == "succeeded"
    assert "the broker told it to drain" in each.said()


@pytest.mark.nightly
def test_a_revoked_agent_stops(broker: Stack, client: Client, key: Path, site: str, tmp_path: Path) -> None:
    with teacher(broker, key, site, tmp_path) as each:
        until(lambda: "session epoch" in each.said(), "the session")
        client.revoke_agent(site)
        assert each.process.wait(120) != 0
    assert "this agent must stop" in each.said()


def test_what_is_published_under_a_lost_lease_is_refused(broker: Stack, client: Client, key: Path, site: str) -> None:
    private = load_private(key)
    job = order(client, site)
    with broker.client(private) as holder:
        lease = holder.lease_job("session-of-mine", ["noop"], site=site)
        assert lease
        named = {"job": lease["job"], "fence": lease["fence"], "session": "session-of-mine"}
        data = sign_packet(small_packet(name=f"tests/{site}"), private)
        client.cancel_job(job)
        with pytest.raises(LeaseLost):
            holder.publish(data, lease=named)
        assert list(client.list(name=f"tests/{site}")) == []


def test_the_doctor_knows_whose_key_it_is(broker: Stack, client: Client, key: Path, site: str, tmp_path: Path) -> None:
    healthy = Host(broker.url, key, tmp_path, "cpu")
    found = {each.name: each for each in registration(healthy)}
    assert (found["enrolled"].level, found["enrolled"].detail) == (Level.OK, f"as {site}")
    assert (found["scope"].level, found["scope"].detail) == (Level.OK, "teacher in project default")
    client.drain_agent(site)
    assert [each.level for each in registration(healthy)] == [Level.OK, Level.WARN]
    client.revoke_agent(site)
    (revoked,) = registration(healthy)
    assert revoked.level is Level.FAIL
    assert "key-not-valid" in revoked.detail
    write_private(tmp_path / "stranger.key", generate())
    (stranger,) = registration(Host(broker.url, tmp_path / "stranger.key", tmp_path, "cpu"))
    assert (stranger.level, "key-unknown" in stranger.detail) == (Level.FAIL, True)
