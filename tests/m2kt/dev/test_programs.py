"""The whole runtime: the broker and its worker as well, executed as in production."""

import http.client
import os
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from m2kt.dev import Addresses, Runtime, state
from m2kt.dev.process import birth
from m2kt.signing.keys import load_private, load_public


@pytest.fixture(scope="module")
def whole(initialised: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Runtime, Addresses]]:
    """A whole runtime, up; the tests below leave it up."""
    root = tmp_path_factory.mktemp("whole") / "var"
    shutil.copytree(initialised, root)
    runtime = Runtime(root)
    yield runtime, runtime.up()
    pids = [record.pid for record in state.load(runtime.layout.state).values()]
    runtime.reset()
    assert not any(birth(pid) for pid in pids)
    assert not root.exists()


def records(runtime: Runtime) -> dict[str, state.Record]:
    return state.load(runtime.layout.state)


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    while birth(pid):
        time.sleep(0.01)


def ready(addresses: Addresses) -> bool:
    connection = http.client.HTTPConnection(urlsplit(addresses.broker_url or "").netloc, timeout=60)
    connection.request("GET", "/readyz")
    status = connection.getresponse().status
    connection.close()
    return status == http.client.OK


def test_up_makes_keys_and_serves(whole: tuple[Runtime, Addresses]) -> None:
    runtime, addresses = whole
    assert ready(addresses)
    assert [each.state for each in runtime.status()] == ["running"] * 4
    assert addresses.admin_key is not None
    admin = load_public(runtime.layout.keys / "admins" / "admin.pub")
    assert load_private(addresses.admin_key).public_key() == admin


def test_a_killed_worker_is_replaced_and_the_rest_left_alone(whole: tuple[Runtime, Addresses]) -> None:
    runtime, addresses = whole
    before = records(runtime)
    kill(before["worker"].pid)
    assert runtime.up() == addresses
    after = records(runtime)
    assert after.pop("worker") != before.pop("worker")
    assert after == before


def test_programs_are_told_when_a_server_had_to_move(whole: tuple[Runtime, Addresses]) -> None:
    runtime, addresses = whole
    before = records(runtime)
    kill(before["valkey"].pid)
    state.save(runtime.layout.state, {**before, "valkey": replace(before["valkey"], port=None)})
    moved = runtime.up()
    assert moved.redis_url != addresses.redis_url
    assert moved.broker_url == addresses.broker_url
    assert ready(moved)
    assert {name for name, record in records(runtime).items() if record != before[name]} == {
        "valkey",
        "broker",
        "worker",
    }
