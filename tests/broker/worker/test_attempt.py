"""One attempt at one job, in this process: how it ends, and what it leaves."""

import errno
import os
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from broker.db import transaction
from broker.models import Attestation, Job, JobKind, Packet
from broker.services import jobs, packets, trail
from broker.worker import children, kinds
from broker.worker.attempt import HANDFUL, at_once, attempt
from broker.worker.children import log_file
from broker.worker.upkeep import bury
from m2kt.agent.child import run_child
from m2kt.errors import DatabaseAway
from m2kt.signing import sign_packet
from tests.broker.conftest import make_packet
from tests.broker.worker.conftest import LEASE

CHILD = """
import json, shutil, sys, time, os
spec = json.loads(sys.stdin.readline())
def say(**line): print(json.dumps(line), flush=True)
how = spec["how"]
if how == "sleep":
    print("begun", os.getpid(), file=sys.stderr, flush=True)
    for n in range(600):
        say(event="progress", step="sleeping", done=n, total=600); time.sleep(0.1)
elif how == "refuse":
    say(event="error", code="extraction-refused", detail="no\\x00pe", hint="more probes"); sys.exit(62)
elif how == "memory":
    say(event="error", code="out-of-memory", detail="OutOfMemoryError: CUDA", hint="smaller"); sys.exit(54)
elif how == "litter":
    open(spec["out"], "w").write("half"); sys.exit(1)
elif how == "work":
    print("hello", file=sys.stderr, flush=True)
elif how == "die":
    os.kill(os.getpid(), 9)
if sys.argv[1] == "extract" and how == "work":
    shutil.copy(os.environ["STAND_IN_PACKET"], spec["out"])
say(event="result", **{key: value for key, value in spec.items()}, secret=os.environ.get("M2KT_DATABASE_URL"),
    gpus=os.environ.get("CUDA_VISIBLE_DEVICES"))
"""


@pytest.fixture
def stand_in(tmp_path, monkeypatch, keys):
    """A small program in the place of `teacher_agent`: these tests are about the worker, not about models. What it
    extracts is always the packet ``made.m2kt``, which the worker's key signed."""
    (tmp_path / "stand_in.py").write_text(CHILD)
    (tmp_path / "made.m2kt").write_bytes(sign_packet(make_packet("acme/made"), keys.stranger))
    monkeypatch.setenv("STAND_IN_PACKET", str(tmp_path / "made.m2kt"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("M2KT_DATABASE_URL", "a secret")
    monkeypatch.setattr(children, "run_child", lambda module, job, spec, **how: run_child("stand_in", job, spec, **how))


def start(bench, held, leaving=None):
    thread = threading.Thread(target=attempt, args=(bench, held, leaving or threading.Event()))
    thread.start()
    return thread


def until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def test_a_noop_echoes_its_spec(bench, ledger):
    job = ledger.submit(a=1)
    attempt(bench, ledger.claim(), threading.Event())
    found = ledger.get(job)
    assert (found.state, found.result, found.lease_owner) == ("succeeded", {"echo": {"a": 1}}, None)


def test_a_scan_approves_a_clean_packet_and_signs_the_verdict(bench, ledger, live, published):
    held = ledger.claim(kind=JobKind.SCAN)
    attempt(bench, held, threading.Event())
    with live.begin() as session:
        packet = packets.get(session, published)
        assert packet.state == "approved"
        assert session.get(Job, held.id).result["passed"] is True
    assert not list(bench.settings.work_dir.glob("jobs/*.m2kt"))


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("import os; os.kill(os.getpid(), 11)", "without a verdict"),
        ("print('{}')", "without a verdict"),
        ("""print('{"passed": true, "checks": []}')""", "without a verdict"),
        ('import sys; print(\'{"passed": true, "checks": [{}]}\'); sys.exit(1)', "without a verdict"),
        ("import time; time.sleep(60)", "took longer than 1 seconds"),
        ("print('NaN'); raise SystemExit(0)", "without a verdict"),
    ],
)
def test_a_scan_that_breaks_is_tried_again_and_then_inconclusive_and_never_clean(
    program, why, bench, live, ledger, published, monkeypatch, tmp_path
):
    scanner = tmp_path / "broken" / "m2kt" / "scan.py"
    (scanner.parent).mkdir(parents=True)
    (scanner.parent / "__init__.py").touch()
    scanner.write_text(program)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "broken"), *sys.path])
    monkeypatch.chdir(tmp_path / "broken")
    impatient = replace(bench, settings=bench.settings.model_copy(update={"scan_seconds": 1.0}))
    held = ledger.claim(kind=JobKind.SCAN)
    attempt(impatient, held, threading.Event())
    assert (
        ledger.get(held.id).error["detail"].endswith((why, why + " seconds"))
        or why in ledger.get(held.id).error["detail"]
    )
    assert ledger.state(held.id) == "queued"
    with live.begin() as session:
        session.get(Job, held.id).attempt = 2
        session.get(Job, held.id).not_before = session.get(Job, held.id).created
    attempt(impatient, ledger.claim(kind=JobKind.SCAN), threading.Event())
    assert ledger.state(held.id) == "dead"
    with live.begin() as session:
        packet = packets.get(session, published)
        assert packet.state == "scanning"
        assert why in packet.reason
        assert session.scalars(select(Attestation.predicate_type)).all()[-1] == "urn:m2kt:scan:v1"


def test_a_scan_whose_worker_was_lost_thrice_is_inconclusive(bench, live, ledger, published):
    for _ in range(3):
        held = ledger.claim(kind=JobKind.SCAN, seconds=0.05)
        time.sleep(0.1)
        buried = ledger.sweep()
    with transaction(live) as session:
        bury(session, bench.key, buried[0], "it lost its worker 3 times")
    with live.begin() as session:
        packet = session.get(Packet, published)
        assert (packet.state, held.attempt) == ("received", 3)
        assert "inconclusive" in packet.reason


def test_a_child_gets_the_spec_and_no_secrets_and_its_result_is_kept(bench, ledger, stand_in):
    job = ledger.submit(JobKind.EXTRACT, how="work", name="x")
    held = ledger.claim(kind=JobKind.EXTRACT)
    attempt(bench, held, threading.Event())
    found = ledger.get(job)
    assert found.state == "succeeded", found.error
    assert found.result["name"] == "x"
    assert found.result["secret"] == ""
    assert "broker" not in found.result
    assert found.result["key"] == str(bench.settings.worker_key)


def test_what_a_child_refuses_is_a_failure_with_its_own_error(bench, ledger, stand_in):
    job = ledger.submit(JobKind.EXTRACT, how="refuse")
    attempt(bench, ledger.claim(kind=JobKind.EXTRACT), threading.Event())
    found = ledger.get(job)
    assert found.state == "failed"
    assert found.error == {"code": "extraction-refused", "detail": "nope", "hint": "more probes"}


def test_a_child_that_dies_is_tried_again(bench, ledger, stand_in):
    job = ledger.submit(JobKind.EXTRACT, how="die")
    attempt(bench, ledger.claim(kind=JobKind.EXTRACT), threading.Event())
    found = ledger.get(job)
    assert (found.state, found.attempt) == ("queued", 1)
    assert "SIGKILL" in found.error["detail"]


def test_progress_is_written_and_the_lease_is_renewed_past_its_first_end(bench, ledger, stand_in):
    job = ledger.submit(JobKind.EXTRACT, how="sleep")
    thread = start(bench, ledger.claim(kind=JobKind.EXTRACT, seconds=LEASE))
    until(lambda: (ledger.get(job).progress or {}).get("done", 0) > 0)
    assert ledger.get(job).progress["step"] == "sleeping"
    time.sleep(LEASE)
    assert ledger.sweep() == []
    assert ledger.state(job) == "running"
    ledger.cancel(job)
    thread.join(50)
    assert not thread.is_alive()


def test_a_cancelled_job_ends_its_child_and_writes_nothing(bench, ledger, stand_in):
    job = ledger.submit(JobKind.EXTRACT, how="sleep")
    held = ledger.claim(kind=JobKind.EXTRACT, seconds=LEASE)
    thread = start(bench, held)
    log = log_file(bench, held)
    until(lambda: log.exists() and "begun" in log.read_text())
    child = int(log.read_text().split()[1])
    ledger.cancel(job)
    thread.join(50)  # less than the child's own minute
    assert not thread.is_alive()
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
    assert (ledger.state(job), ledger.get(job).result) == ("cancelled", None)


def test_a_worker_that_leaves_hands_a_long_job_back(bench, ledger, stand_in):
    job = ledger.submit(JobKind.EXTRACT, how="sleep")
    leaving = threading.Event()
    thread = start(bench, ledger.claim(kind=JobKind.EXTRACT, seconds=LEASE), leaving)
    leaving.set()
    thread.join(50)  # less than the child's own minute
    assert not thread.is_alive()
    assert (ledger.state(job), ledger.get(job).attempt) == ("queued", 0)


def test_a_worker_that_leaves_lets_a_short_job_finish(bench, ledger):
    job = ledger.submit(seconds=0.5)
    leaving = threading.Event()
    leaving.set()
    attempt(bench, ledger.claim(), leaving)
    assert ledger.state(job) == "succeeded"


def test_a_defect_of_a_handler_is_written_into_the_job(bench, ledger, monkeypatch):
    monkeypatch.setitem(kinds.HANDLERS, JobKind.NOOP, lambda *_: 1 / 0)
    job = ledger.submit()
    attempt(bench, ledger.claim(), threading.Event())
    assert ledger.get(job).error["detail"] == "ZeroDivisionError: division by zero"
    assert ledger.state(job) == "queued"


def test_alignment_gets_the_packets_bytes_and_the_keys_that_signed_it(bench, ledger, live, published, stand_in, keys):
    attempt(bench, ledger.claim(kind=JobKind.SCAN), threading.Event())
    job = ledger.submit(JobKind.ALIGN, packet_id=published, model="m", how="work")
    attempt(bench, ledger.claim(kind=JobKind.ALIGN), threading.Event())
    found = ledger.get(job)
    assert found.state == "succeeded", found.error
    from m2kt.signing import TrustStore, verify_packet

    verified = verify_packet(
        Path(found.result["packet"]).read_bytes(), TrustStore.from_path(Path(found.result["trust"]))
    )
    assert verified.packet.packet_id == published
    assert "packet_id" not in found.result


def test_a_kind_that_this_worker_does_not_know_is_given_back(bench, ledger, live):
    job = ledger.submit()
    with live.begin() as session:
        session.get(Job, job).kind = "future"
    attempt(bench, ledger.claim(kind="future"), threading.Event())
    found = ledger.get(job)
    assert (found.state, found.attempt, found.error) == ("queued", 0, None)


def test_a_poisoned_job_dies_alone(bench, ledger, live, stand_in):
    poisoned, fine = ledger.submit(JobKind.EXTRACT, how="die"), ledger.submit(JobKind.EXTRACT, how="work")
    for _ in range(4):
        attempt(bench, ledger.claim(kind=JobKind.EXTRACT), threading.Event())
        with live.begin() as session:
            session.get(Job, poisoned).not_before = session.get(Job, poisoned).created
    assert (ledger.state(poisoned), ledger.get(poisoned).attempt) == ("dead", 3)
    assert ledger.state(fine) == "succeeded"


def test_a_full_disk_is_not_the_jobs_fault(bench, ledger, live, published, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    held = ledger.claim(kind=JobKind.SCAN)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        attempt(bench, held, threading.Event())
    found = ledger.get(held.id)
    assert (found.state, found.attempt) == ("queued", 0)
    assert ledger.claim(kind=JobKind.SCAN) is None  # not at once
    with live.begin() as session:
        assert "no space left" in trail.events(session, held.id, after=0)[-1].detail["why"]
        session.get(Job, held.id).not_before = found.created
    attempt(bench, ledger.claim(kind=JobKind.SCAN), threading.Event())
    assert ledger.state(held.id) == "succeeded"


def test_a_child_that_runs_out_of_memory_is_told_apart_from_a_crash(bench, ledger, stand_in):
    job = ledger.submit(JobKind.EXTRACT, how="memory")
    attempt(bench, ledger.claim(kind=JobKind.EXTRACT), threading.Event())
    assert (ledger.state(job), ledger.get(job).error["code"]) == ("queued", "out-of-memory")


def test_an_attempt_past_its_time_limit_is_ended_and_the_job_has_failed(bench, ledger, live, stand_in):
    jobs_ = [ledger.submit(JobKind.EXTRACT, how="sleep"), ledger.submit(seconds=60)]
    with live.begin() as session:
        for each in jobs_:
            session.get(Job, each).limit_seconds = 0.5
    for kind in (JobKind.EXTRACT, JobKind.NOOP):
        attempt(bench, ledger.claim(kind=kind), threading.Event())
    assert [(ledger.state(each), ledger.get(each).error["code"]) for each in jobs_] == [("failed", "time-limit")] * 2


def test_the_log_of_each_attempt_is_in_the_ledger(bench, ledger, live, stand_in):
    job = ledger.submit(JobKind.EXTRACT, how="work")
    attempt(bench, ledger.claim(kind=JobKind.EXTRACT), threading.Event())
    with live.begin() as session:
        assert trail.log(session, job, 1).content == b"hello\n"


def test_what_a_failed_attempt_left_is_removed_and_its_log_stays(bench, ledger, stand_in):
    ledger.submit(JobKind.EXTRACT, how="litter")
    attempt(bench, ledger.claim(kind=JobKind.EXTRACT), threading.Event())
    assert [each.suffix for each in (bench.settings.work_dir / "jobs").iterdir()] == [".log"]


def test_a_slots_device_is_the_childs_unless_the_order_names_one(bench, ledger, stand_in):
    at_slot = replace(bench, device="cuda:1", visible="4,5")
    told = []
    for spec in ({}, {"device": "cpu"}):
        job = ledger.submit(JobKind.EXTRACT, how="work", **spec)
        attempt(at_slot, ledger.claim(kind=JobKind.EXTRACT), threading.Event())
        told.append((ledger.get(job).result["device"], ledger.get(job).result["gpus"]))
    assert told == [("cuda", "5"), ("cpu", "5")]


def test_noops_that_wait_for_nothing_are_done_by_the_handful(bench, ledger):
    ids = [ledger.submit(n=n) for n in range(HANDFUL + 4)]
    waits = ledger.submit(seconds=1)
    assert [at_once(bench), at_once(bench), at_once(bench)] == [HANDFUL, 4, 0]
    assert [(ledger.state(each), ledger.get(each).result) for each in ids] == [
        ("succeeded", {"echo": {"n": n}}) for n in range(HANDFUL + 4)
    ]
    assert ledger.state(waits) == "queued"


def test_an_end_that_the_database_could_not_hear_is_written_when_it_is_back(bench, ledger, monkeypatch):
    job, left = ledger.submit(), [2]
    real = jobs.succeed

    def moody(*words):
        if left[0]:
            left[0] -= 1
            raise DatabaseAway("away")
        real(*words)

    monkeypatch.setattr(jobs, "succeed", moody)
    attempt(bench, ledger.claim(), threading.Event())
    assert ledger.state(job) == "succeeded"
