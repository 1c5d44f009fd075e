"""Processes, the lock, files and failures, each alone."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from m2kt.dev import postgres
from m2kt.dev.layout import Layout, full_disk_named, write_atomically
from m2kt.dev.process import birth, end, mark, marked, reap, spawn
from m2kt.dev.service import Kind, Service, await_ready, launch
from m2kt.dev.state import load, locked
from m2kt.errors import ChildFailed, DiskFull, PortTaken, RuntimeFault

STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
print("child", child.pid, flush=True)
time.sleep(60)
"""


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def python(tmp_path: Path, code: str, **env: str) -> int:
    return spawn([sys.executable, "-c", code], env, tmp_path / "log")


def fake(tmp_path: Path, code: str, start_seconds: float = 60.0) -> Service:
    layout = Layout(tmp_path)
    layout.claim()
    layout.prepare()
    kind = Kind("fake", leftovers=lambda layout: marked(layout.root, "fake"), stop_seconds=0.2)
    argv = [sys.executable, "-c", code]
    env = mark(tmp_path, "fake")
    return Service(kind, layout, argv, env, lambda pid, said: "serving" in said, start_seconds=start_seconds)


# Processes


def test_a_zombie_is_not_alive(tmp_path: Path) -> None:
    pid = python(tmp_path, "")
    wait_for(lambda: birth(pid) is None)
    assert reap(pid) == 0
    assert birth(pid) is None


def test_end_kills_what_does_not_heed_and_its_descendants(tmp_path: Path) -> None:
    pid = python(tmp_path, STUBBORN)
    wait_for(lambda: "child" in (tmp_path / "log").read_text())
    child = int((tmp_path / "log").read_text().split()[1])
    end(pid, signal.SIGTERM, 0.1)
    assert birth(pid) is None
    assert birth(child) is None


def test_descendants_of_a_killed_program_are_found_by_their_mark(tmp_path: Path) -> None:
    pid = python(tmp_path, STUBBORN, **mark(tmp_path, "worker"))
    wait_for(lambda: "child" in (tmp_path / "log").read_text())
    child = int((tmp_path / "log").read_text().split()[1])
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: birth(pid) is None)
    assert list(marked(tmp_path, "worker")) == [child]
    assert list(marked(tmp_path, "broker")) == []
    end(child, signal.SIGKILL, 5.0)
    reap(pid)


def test_a_child_survives_the_end_of_its_session(tmp_path: Path) -> None:
    pid = python(tmp_path, "import time; time.sleep(60)")
    assert os.getsid(pid) == pid != os.getsid(0)
    end(pid, signal.SIGTERM, 5.0)


# The lock


def test_a_lock_file_left_behind_locks_nobody_out(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("from a process that was killed")
    with locked(tmp_path / "lock", patience=0.0):
        pass


def test_a_held_lock_is_waited_for_and_then_named(tmp_path: Path) -> None:
    with (
        locked(tmp_path / "lock"),
        pytest.raises(RuntimeFault, match="another `m2kt dev` command holds"),
        locked(tmp_path / "lock", patience=0.1),
    ):
        pass


def test_a_lock_whose_file_was_removed_is_taken_on_the_new_file(tmp_path: Path) -> None:
    """`down` removes the file while another command waits on it."""
    path = tmp_path / "lock"
    entered = threading.Event()

    def wait_then_enter() -> None:
        with locked(path):
            entered.set()

    with locked(path):
        waiting = threading.Thread(target=wait_then_enter)
        waiting.start()
        time.sleep(0.1)
        path.unlink()
    waiting.join(60)
    assert entered.is_set()


# Files


def test_a_full_disk_is_named_and_nothing_is_half_written(tmp_path: Path) -> None:
    with pytest.raises(DiskFull), full_disk_named(tmp_path), open("/dev/full", "w") as full:
        full.write("x")


def test_atomic_files_are_private_and_leave_no_draft(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a", "1")
    write_atomically(tmp_path / "a", "2")
    assert [each.name for each in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "2"
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", '{"services": 1}', '{"services": {"a": 3}}', '{"services": {"a": {}}}']
)
def test_a_damaged_state_file_names_nothing(tmp_path: Path, damage: str) -> None:
    (tmp_path / "state.json").write_text(damage)
    assert load(tmp_path / "state.json") == {}


# Failures of a start


@pytest.mark.parametrize(
    ("last_words", "error"),
    [
        ("something odd", ChildFailed),
        ("could not write: No space left on device", DiskFull),
        ("bind: Address already in use", PortTaken),
    ],
)
def test_a_service_that_dies_is_reported_by_its_last_words(
    tmp_path: Path, last_words: str, error: type[RuntimeFault]
) -> None:
    service = fake(tmp_path, f"import sys; sys.exit({last_words!r})")
    with pytest.raises(error, match=last_words):
        await_ready(service, launch(service))


def test_a_service_that_hangs_is_ended_after_its_deadline(tmp_path: Path) -> None:
    service = fake(tmp_path, STUBBORN, start_seconds=0.3)
    launched = launch(service)
    with pytest.raises(ChildFailed, match="was not ready after"):
        await_ready(service, launched)
    assert not launched.record.alive
    assert list(marked(tmp_path, "fake")) == []


def test_the_words_of_an_earlier_start_do_not_count(tmp_path: Path) -> None:
    service = fake(tmp_path, "raise SystemExit('no')", start_seconds=5.0)
    service.log.write_text("serving\n")
    with pytest.raises(ChildFailed):
        await_ready(service, launch(service))


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("echo 'unshare: unshare failed: Operation not permitted' >&2; exit 1", RuntimeFault),
        ("echo 'initdb: error: could not write: No space left on device' >&2; exit 1", DiskFull),
    ],
)
def test_initdb_that_fails_says_why_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, error: type[RuntimeFault]
) -> None:
    (tmp_path / "unshare").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "unshare").chmod(0o755)
    layout = Layout(tmp_path / "var")
    layout.claim()
    layout.prepare()
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(error) as caught:
        postgres.initialise(layout)
    assert type(caught.value) is error
    assert "normal user" in caught.value.hint or error is DiskFull
    assert not layout.postgres.exists()
    assert layout.drafts() == []
