"""Up, down, and every way in which a runtime may be found."""

import os
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from m2kt.dev import Addresses, Ports, Runtime, state
from m2kt.dev.process import birth
from m2kt.errors import ChildFailed, PortTaken, RuntimeFault, UsageError


@contextmanager
def connected(addresses: Addresses) -> Iterator[psycopg.Connection]:
    with psycopg.connect(addresses.database_url.replace("+psycopg", ""), autocommit=True) as connection:
        yield connection


def remember(addresses: Addresses, text: str) -> None:
    with connected(addresses) as connection, redis.Redis.from_url(addresses.redis_url) as valkey:
        connection.execute("CREATE TABLE IF NOT EXISTS note (text text)")
        connection.execute("INSERT INTO note VALUES (%s)", [text])
        valkey.set("note", text)


def recall(addresses: Addresses) -> tuple[list[str], str]:
    with connected(addresses) as connection, redis.Redis.from_url(addresses.redis_url, decode_responses=True) as valkey:
        return [str(row[0]) for row in connection.execute("SELECT text FROM note")], str(valkey.get("note"))


def pids(runtime: Runtime) -> dict[str, int]:
    return {name: each.pid for name, each in state.load(runtime.layout.state).items()}


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    while birth(pid):
        time.sleep(0.01)


def processes_of(runtime: Runtime) -> list[str]:
    """Every process that works below the runtime's directory."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd().startswith(str(runtime.layout.root)) and birth(process.pid):
                found.append(f"{process.pid} {process.name()}")
        except psutil.Error:
            continue
    return found


def test_second_up_finds_the_first(runtime: Runtime) -> None:
    first = runtime.up(servers_only=True)
    before = pids(runtime)
    assert Runtime(runtime.layout.root).up(servers_only=True) == first
    assert pids(runtime) == before
    assert {each.name: each.state for each in runtime.status()} == {
        "postgres": "running",
        "valkey": "running",
        "broker": "stopped",
        "worker": "stopped",
    }


def test_two_ups_at_once_agree(runtime: Runtime) -> None:
    with ThreadPoolExecutor() as pool:
        both = [pool.submit(Runtime(runtime.layout.root).up, servers_only=True) for _ in range(2)]
    assert both[0].result() == both[1].result()


def test_data_outlives_down(runtime: Runtime) -> None:
    remember(runtime.up(servers_only=True), "kept")
    runtime.down()
    assert recall(runtime.up(servers_only=True)) == (["kept"], "kept")


def test_data_outlives_a_kill_of_every_process(runtime: Runtime) -> None:
    first = runtime.up(servers_only=True)
    remember(first, "kept")
    for pid in pids(runtime).values():
        kill(pid)
    assert {each.state for each in runtime.status()} == {"dead", "stopped"}
    again = runtime.up(servers_only=True)
    assert again == first  # the same ports too: programs that were told them go on
    assert recall(again) == (["kept"], "kept")


def test_a_killed_postgres_restarts_beside_its_stranded_sessions(runtime: Runtime) -> None:
    addresses = runtime.up(servers_only=True)
    url = addresses.database_url.replace("+psycopg", "")
    with ThreadPoolExecutor() as pool, psycopg.connect(url) as connection:
        busy = pool.submit(connection.execute, "SELECT count(*) FROM generate_series(1, 1000000000)")
        valkey = pids(runtime)["valkey"]
        kill(pids(runtime)["postgres"])
        remember(runtime.up(servers_only=True), "after")
        assert isinstance(busy.exception(), psycopg.OperationalError)
    assert pids(runtime)["valkey"] == valkey


def test_a_pid_file_that_names_a_stranger_does_not_stop_postgres(runtime: Runtime) -> None:
    (runtime.layout.postgres / "postmaster.pid").write_text(f"{os.getppid()}\n{runtime.layout.postgres}\n")
    runtime.up(servers_only=True)


def test_down_leaves_no_process_socket_or_lock(runtime: Runtime) -> None:
    runtime.up(servers_only=True)
    started = pids(runtime)
    assert processes_of(runtime)
    runtime.down()
    assert processes_of(runtime) == []
    assert not any(birth(pid) for pid in started.values())
    layout = runtime.layout
    assert not any(path.exists() for path in (layout.sockets, layout.lock, layout.state))
    assert not (layout.postgres / "postmaster.pid").exists()


def test_down_of_nothing_makes_nothing(tmp_path: Path) -> None:
    Runtime(tmp_path / "absent").down()
    Runtime(tmp_path / "absent").reset()
    assert not (tmp_path / "absent").exists()


def test_servers_that_no_record_names_are_ended_and_replaced(runtime: Runtime) -> None:
    remember(runtime.up(servers_only=True), "kept")
    before = pids(runtime)
    runtime.layout.state.unlink()
    assert recall(runtime.up(servers_only=True)) == (["kept"], "kept")
    assert not any(birth(pid) for pid in before.values())


def test_a_taken_port_is_named_with_its_holder(runtime: Runtime) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortTaken, match=f"port {port} .*process {os.getpid()}") as caught:
            runtime.up(servers_only=True, ports=Ports(valkey=port))
    assert f"kill {os.getpid()}" in caught.value.hint
    assert processes_of(runtime) == []  # Postgres had started, and was ended again
    assert not runtime.layout.lock.exists()


def test_another_port_than_the_one_in_use_is_refused(runtime: Runtime) -> None:
    runtime.up(servers_only=True)
    with pytest.raises(UsageError, match="listens on port"):
        runtime.up(servers_only=True, ports=Ports(postgres=1))
    assert all(birth(pid) for pid in pids(runtime).values())


def test_a_recycled_process_id_is_not_taken_for_ours(runtime: Runtime) -> None:
    """Our own process plays the stranger that got the id: `down` must not end it."""
    runtime.up(servers_only=True)
    runtime.down()
    stranger = state.Record(os.getpid(), "another birth", None, "")
    state.save(runtime.layout.state, {"postgres": stranger, "valkey": stranger})
    assert [each.state for each in runtime.status()][:2] == ["dead", "dead"]
    runtime.up(servers_only=True)
    assert os.getpid() not in pids(runtime).values()
    state.save(runtime.layout.state, {"postgres": stranger})
    runtime.down()
    assert processes_of(runtime) == []


def test_a_failed_start_shows_the_log_and_leaves_nothing(runtime: Runtime) -> None:
    (runtime.layout.postgres / "PG_VERSION").write_text("9\n")
    with pytest.raises(ChildFailed, match=r"database files are incompatible"):
        runtime.up(servers_only=True)
    assert processes_of(runtime) == []
    assert not runtime.layout.state.exists()


def test_a_long_root_gets_a_short_socket_directory(initialised: Path, tmp_path: Path) -> None:
    runtime = Runtime(tmp_path / ("deep" * 30) / "with, comma")
    shutil.copytree(initialised, runtime.layout.root)
    try:
        with connected(runtime.up(servers_only=True)) as connection:
            shown = connection.execute("SHOW unix_socket_directories").fetchone()
        assert shown == (str(runtime.layout.sockets),)
        assert len(str(runtime.layout.sockets)) < 40
    finally:
        runtime.reset()
    assert not runtime.layout.sockets.exists()


def test_nobody_else_can_read_it(runtime: Runtime) -> None:
    runtime.up(servers_only=True)
    layout = runtime.layout
    assert {path.stat().st_mode & 0o777 for path in (layout.root, layout.sockets, *layout.parts)} == {0o700}
    assert {path.stat().st_mode & 0o777 for path in layout.secrets.iterdir()} == {0o600}


def test_a_directory_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "thesis.txt").write_text("mine")
    with pytest.raises(RuntimeFault, match="holds work that no runtime made"):
        Runtime(tmp_path).up(servers_only=True)
    Runtime(tmp_path).reset()
    assert [each.name for each in tmp_path.rglob("*")] == ["work", "thesis.txt"]


def test_reset_deletes_only_its_own(runtime: Runtime) -> None:
    runtime.up(servers_only=True)
    (runtime.layout.root / "notes").write_text("mine")
    (runtime.layout.root / "postgres.new.killed").mkdir()
    runtime.reset()
    assert [each.name for each in runtime.layout.root.iterdir()] == ["notes"]
