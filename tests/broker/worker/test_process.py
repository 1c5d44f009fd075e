"""The whole path once, as operators run it: uvicorn, a real Celery worker, Redis, Postgres."""

import os
import pickle
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest
from kombu.transport import virtual
from redis import Redis

from broker.jobs import Bell, make_celery
from broker.main import create_app
from m2kt.client import Client
from m2kt.errors import BrokerAway, UnknownKey
from m2kt.signing import sign_packet
from m2kt.signing.keys import TrustStore, generate, write_private, write_public
from tests.broker.conftest import make_packet

PROGRAMS = {
    "broker": ("uvicorn", "--factory", "broker.main:create_app", "--host", "127.0.0.1", "--port"),
    "worker": ("broker.worker",),
}


@contextmanager
def running(name: str, *arguments: str, env: dict[str, str], log) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        argv = [sys.executable, "-m", *PROGRAMS[name], *arguments]
        process = subprocess.Popen(argv, env={**os.environ, **env}, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def environment(settings) -> dict[str, str]:
    names = ("database_url", "redis_url", "broker_key", "admin_keys", "work_dir", "lease_seconds")
    return {f"M2KT_{name.upper()}": str(getattr(settings, name)) for name in names}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answering(client: Client, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            client.broker()
            return
        except BrokerAway:
            assert time.monotonic() < end
            time.sleep(0.1)


def assert_verifies(url: str, keys, folder) -> None:
    """As an auditor would, from a shell: everything once, then against what was remembered; then with a wrong key."""
    write_public(folder / "broker.pub", keys.broker.public_key())
    write_public(folder / "stranger.pub", keys.stranger.public_key())
    write_private(folder / "admin.key", keys.admin)
    m2kt = (sys.executable, "-c", "from m2kt.cli import main; main()", "log")
    told = ("--broker", url, "--trust", str(folder / "broker.pub"), "--key", str(folder / "admin.key"))
    for words in (("verify", *told), ("monitor", *told, "--state", str(folder / "memory"), "--once")):
        done = subprocess.run([*m2kt, *words], capture_output=True, text=True)
        assert (done.returncode, done.stdout.startswith("verified ")) == (0, True), done.stderr
    wrong = ("verify", "--broker", url, "--trust", str(folder / "stranger.pub"))
    assert subprocess.run([*m2kt, *wrong], capture_output=True).returncode == UnknownKey.exit_code


def test_a_packet_goes_from_a_teacher_to_a_student_through_the_real_programs(bench, keys, tmp_path):
    env, port = environment(bench.settings), free_port()
    url, student = f"http://127.0.0.1:{port}", generate()
    log = tmp_path / "worker.log"
    with (
        running("broker", str(port), env=env, log=tmp_path / "broker.log"),
        running("worker", env=env, log=log) as worker,
        Client(url, keys.admin) as admin,
    ):
        answering(admin)
        admin.register_agent("ada", "teacher", keys.teacher.public_key())
        admin.register_agent("stu", "student", student.public_key())
        trust = TrustStore([keys.broker.public_key(), keys.teacher.public_key()])
        with Client(url, keys.teacher) as teacher, Client(url, student, trust) as taker:
            packet_id = teacher.publish(sign_packet(make_packet(), keys.teacher))["packet_id"]
            taker.wait_for_state(packet_id, {"approved"}, 60)
            assert taker.pull(packet_id).packet.packet_id == packet_id
        assert_verifies(url, keys, tmp_path)
        assert "the bell rang" in log.read_text(), "the bell was not heard"
        long = admin.submit_job("noop", {"seconds": 60})["id"]
        deadline = time.monotonic() + 60
        while admin.job(long)["state"] != "running":
            assert time.monotonic() < deadline
            time.sleep(0.05)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0
        assert admin.job(long)["state"] == "queued"
    assert "Traceback" not in log.read_text()


def test_a_worker_without_redis_finds_its_jobs_and_still_leaves_when_told(bench, ledger, tmp_path):
    env = {**environment(bench.settings), "M2KT_REDIS_URL": "redis://127.0.0.1:1/0"}
    with running("worker", env=env, log=tmp_path / "worker.log") as worker:
        job = ledger.submit()
        end = time.monotonic() + 60
        while ledger.state(job) != "succeeded":
            assert time.monotonic() < end
            time.sleep(0.1)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0


LISTEN = """
import sys, threading
from broker.worker import process
threading.Timer(float(sys.argv[1]), process._leave_early).start()
sys.exit(process._keep_listening("redis://127.0.0.1:1/0", None, "early"))
"""


@pytest.mark.parametrize("seconds", [0, 3], ids=["before", "while"])
def test_a_signal_that_came_before_celery_heeds_any_is_not_forgotten(seconds):
    """Before Celery starts, or while it starts and finds no Redis. It once was an exception, and lost where the
    interpreter ignores exceptions."""
    done = subprocess.run([sys.executable, "-c", LISTEN, str(seconds)], capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr


def test_a_job_of_a_killed_worker_is_done_by_the_next(bench, ledger, tmp_path):
    env = environment(bench.settings)
    job = ledger.submit(seconds=1)
    with running("worker", env=env, log=tmp_path / "first.log"):
        end = time.monotonic() + 60
        while ledger.state(job) != "running":
            assert time.monotonic() < end
            time.sleep(0.02)
    with running("worker", env=env, log=tmp_path / "second.log"):
        end = time.monotonic() + 60
        while ledger.state(job) != "succeeded":
            assert time.monotonic() < end
            time.sleep(0.1)
    assert ledger.get(job).attempt == 2


def test_a_lost_bell_costs_the_request_about_a_second_at_most():
    with socket.socket() as deaf:  # accepts nothing, answers nothing
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for url in ("redis://127.0.0.1:1/0", f"redis://127.0.0.1:{deaf.getsockname()[1]}/0"):
            bell, begun = Bell(url), time.monotonic()
            bell.ring(uuid.uuid4())
            assert time.monotonic() - begun < 30  # without a limit it would be for ever
            bell.close()


def test_celery_is_a_doorbell_and_nothing_else(redis_url):
    conf = make_celery(redis_url).conf
    assert conf.task_serializer == "json"
    assert conf.accept_content == ["json"]
    assert conf.result_backend is None
    assert conf.task_ignore_result
    assert conf.broker_transport_options["ack_emulation"] is False  # as kombu has it: see the test below


def test_a_ring_that_was_heard_is_gone_and_comes_back_after_no_timeout(redis_url):
    bell, celery = Bell(redis_url), make_celery(redis_url)
    with celery.connection_for_read() as connection:
        queue = connection.SimpleQueue("m2kt-heard")
        queue.put({"a": 1})
        queue.get(timeout=60)  # and never acknowledged
        assert type(queue.channel.qos) is virtual.QoS
        assert queue.channel.client.exists("unacked", "unacked_index") == 0
        queue.close()
    bell.close()
    celery.close()


def test_garbage_in_redis_neither_ends_a_worker_nor_makes_work(bench, ledger, live, redis_url, tmp_path):
    env = environment(bench.settings)
    with running("worker", env=env, log=tmp_path / "worker.log") as worker, Redis.from_url(redis_url) as redis:
        done_soon(ledger, ledger.submit())
        for each in (b"garbage", b"[]", b"7", b'{"body": 1}', b"\xff\xfe", pickle.dumps({"task": "m2kt.run"})):
            redis.lpush("m2kt", each)
            time.sleep(0.2)
        bell = Bell(redis_url)
        for each in ("no uuid", "", "x" * 100_000, str(uuid.uuid4())):
            bell.send(each)
        bell.close()
        done_soon(ledger, ledger.submit())
        assert worker.poll() is None
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0


def done_soon(ledger, job):
    end = time.monotonic() + 60
    while ledger.state(job) != "succeeded":
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize("module", ["broker.main", "broker.worker.process", "m2kt.scan", "m2kt.client"])
def test_torch_is_not_loaded(module, bench):
    program = (
        f"import sys, {module}; from broker.main import create_app; create_app(); "
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env={**os.environ, **environment(bench.settings)})


def test_a_missing_setting_is_named_and_not_traced(tmp_path):
    env = {name: value for name, value in os.environ.items() if not name.startswith("M2KT_")}
    done = subprocess.run([sys.executable, "-m", "broker.worker"], env=env, capture_output=True, text=True)
    assert done.returncode == 2
    assert "M2KT_DATABASE_URL" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_factory_starts_without_its_servers(bench):
    away = bench.settings.model_copy(update={"database_url": "postgresql+psycopg://x@127.0.0.1:1/x"})
    assert create_app(away).title == "M2KT broker"


def test_an_open_stream_of_events_does_not_hold_up_the_brokers_end(bench, ledger, tmp_path):
    env, port = environment(bench.settings), free_port()
    job = ledger.submit(seconds=60)
    with (
        running("broker", str(port), env=env, log=tmp_path / "broker.log") as broker,
        Client(f"http://127.0.0.1:{port}") as client,
    ):
        answering(client)
        events = client.follow_job(job)
        assert next(events)["event"] == "queued"
        broker.send_signal(signal.SIGTERM)
        assert broker.wait(40) in (0, -signal.SIGTERM)  # less than the job's own minute
    assert "Traceback" not in (tmp_path / "broker.log").read_text()


def test_a_run_without_redis_leaves_no_job_behind(bench, ledger, tmp_path):
    env = {**environment(bench.settings), "M2KT_REDIS_URL": "redis://127.0.0.1:1/0"}
    ids = [ledger.submit(seconds=0.05) for _ in range(5)] + [ledger.submit(n=n) for n in range(20)]
    with running("worker", env=env, log=tmp_path / "worker.log"):
        ids += [ledger.submit(late=n) for n in range(5)]
        end = time.monotonic() + 60
        while any(ledger.state(each) != "succeeded" for each in ids):
            assert time.monotonic() < end
            time.sleep(0.1)


def test_a_scan_leaves_with_a_worker_that_was_killed(bench, ledger, published, tmp_path):
    env = environment(bench.settings)
    with running("worker", env=env, log=tmp_path / "worker.log") as worker:
        child = None
        end = time.monotonic() + 60
        while child is None:
            assert time.monotonic() < end
            child = next((each.pid for each in psutil.Process(worker.pid).children()), None)
        os.kill(child, signal.SIGSTOP)  # it would be done too soon to be seen
        worker.kill()
        worker.wait()
        os.kill(child, signal.SIGCONT)
        while psutil.pid_exists(child):
            assert time.monotonic() < end
            time.sleep(0.05)
