"""What each kind of job hands to its program, and what it does with what comes back."""

import os
import shutil
import sys
import threading
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import select

from broker.models import Exchange, Job, JobKind, JobState, Packet
from broker.services import agents, packets, publishing, trail
from broker.services.agents import Principal
from broker.services.publishing import Desk
from broker.worker import children
from broker.worker.attempt import attempt
from m2kt.agent.child import run_child
from m2kt.agent.memory import vram_used_mib
from m2kt.errors import ChildFailed, OutOfMemory
from m2kt.signing import sign_packet
from m2kt.signing.keys import key_id
from tests.broker.conftest import make_packet
from tests.small import small_packet

NOTHING = "import sys\nfrom m2kt.agent.child import run_job\nsys.exit(run_job(lambda spec: {BODY}))"


def attempted(bench, ledger, kind, **spec):
    job = ledger.submit(kind, **spec)
    attempt(bench, ledger.claim(kind=kind), threading.Event())
    return ledger.get(job)


@pytest.fixture
def says(tmp_path, monkeypatch):
    """A program in the place of the agents', which returns what is told; what it is asked is kept."""
    asked = []

    def run(module, job, spec, **how):
        asked.append((module, job, spec))
        return run_child("speaker", job, spec, **how)

    def told(body):
        (tmp_path / "speaker.py").write_text(NOTHING.replace("{BODY}", body))
        monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
        monkeypatch.setattr(children, "run_child", run)
        return asked

    return told


def published(bench, live, keys, *data):
    """Packets of ada's, all of them approved."""
    with live.begin() as session:
        agents.register(session, keys.broker, "ada", agents.Role.TEACHER, keys.teacher.public_key())
        ada = Principal.of("ada", agents.Role.TEACHER, keys.teacher.public_key())
        desk = Desk(keys.broker, bench.store, bench.standing, 2**20)
        return [publishing.publish(session, desk, each, publisher=ada).packet.packet_id for each in data]


def scanned(bench, ledger):
    while held := ledger.claim(kind=JobKind.SCAN):
        attempt(bench, held, threading.Event())


# Packets that a job makes


def test_approved_packets_become_one_that_the_worker_signed_and_the_scan_passes(bench, ledger, live, keys):
    ids = published(bench, live, keys, *(sign_packet(small_packet(f"{n}.0.0"), keys.teacher) for n in (1, 2)))
    scanned(bench, ledger)
    found = attempted(bench, ledger, JobKind.AGGREGATE, packet_ids=ids, name="tests/all", version="1.0.0")
    assert found.state == "succeeded", found.error
    scanned(bench, ledger)
    with live.begin() as session:
        made = packets.get(session, found.result["packet_id"])
        assert (made.kind, made.state, made.publisher) == ("aggregate", "approved", "worker")
        assert made.manifest["parents"] == ids
        signers = [each.key_id for each in packets.signatures(session, [made.packet_id])[made.packet_id]]
        assert signers == [key_id(keys.stranger.public_key())]


def test_packets_that_do_not_fit_fail_with_their_own_error(bench, ledger, live, keys):
    ids = published(
        bench, live, keys, sign_packet(small_packet(), keys.teacher), sign_packet(make_packet(), keys.teacher)
    )
    scanned(bench, ledger)
    found = attempted(bench, ledger, JobKind.AGGREGATE, packet_ids=ids, name="tests/all", version="1.0.0")
    assert (found.state, found.error["code"]) == ("failed", "aggregation-refused")
    assert "kind anchors" in found.error["detail"]


def test_a_draft_is_written_by_the_transaction_that_checks_the_fence(bench, ledger, live, keys, says, tmp_path):
    (tmp_path / "made.m2kt").write_bytes(sign_packet(make_packet("acme/draft"), keys.stranger))
    source = str(tmp_path / "made.m2kt")
    says(f"__import__('shutil').copy({source!r}, spec['out']) and {{}}")
    job = ledger.submit(JobKind.EXTRACT)
    held = ledger.claim(kind=JobKind.EXTRACT)
    ledger.cancel(job)
    attempt(bench, held, threading.Event())
    assert ledger.state(job) == "cancelled"
    with live.begin() as session:
        assert session.scalars(select(Packet)).all() == []
    found = attempted(bench, ledger, JobKind.EXTRACT)
    assert found.state == "succeeded", found.error
    with live.begin() as session:
        assert [each.name for each in session.scalars(select(Packet))] == ["acme/draft"]


def test_a_draft_whose_name_is_taken_fails_the_job_and_writes_nothing(bench, ledger, live, keys, says, tmp_path):
    published(bench, live, keys, sign_packet(make_packet("acme/draft"), keys.teacher))
    (tmp_path / "made.m2kt").write_bytes(sign_packet(make_packet("acme/draft"), keys.stranger))
    says(f"__import__('shutil').copy({str(tmp_path / 'made.m2kt')!r}, spec['out']) and {{}}")
    found = attempted(bench, ledger, JobKind.EXTRACT)
    assert (found.state, found.error["code"], found.result) == ("failed", "conflict", None)
    with live.begin() as session:
        assert len(session.scalars(select(Packet)).all()) == 1


def test_an_extraction_without_a_packet_has_broken(bench, ledger, says):
    says("{}")
    found = attempted(bench, ledger, JobKind.EXTRACT)
    assert (found.state, found.error["code"]) == ("queued", "child-failed")
    assert "without a packet" in found.error["detail"]


# Verification and exchange


def test_verification_gets_the_memories_of_the_alignments_that_it_names(bench, ledger, live, says, tmp_path):
    asked = says("{'improvement': 1}")
    memory = tmp_path / "memory"
    memory.mkdir()
    aligned = ledger.submit(JobKind.ALIGN)
    with live.begin() as session:
        row = session.get(Job, aligned)
        row.state, row.result = JobState.SUCCEEDED, {"memory": str(memory)}
    order = {"model": "m", "checks": "c", "memories": ["first"]}
    found = attempted(bench, ledger, JobKind.VERIFY, **order, aligned_by=[str(aligned)])
    assert (found.state, found.result) == ("succeeded", {"improvement": 1})
    assert asked == [("student_agent", "verify", {**order, "memories": ["first", str(memory)]})]
    shutil.rmtree(memory)
    found = attempted(bench, ledger, JobKind.VERIFY, **order, aligned_by=[str(aligned)])
    assert (found.state, found.error["code"]) == ("failed", "usage")


def test_verification_runs_the_students_program(bench, ledger, tmp_path):
    found = attempted(bench, ledger, JobKind.VERIFY, model="nowhere", checks=str(tmp_path / "none.jsonl"))
    assert (found.state, found.error["code"]) == ("failed", "usage")
    assert "cannot read the checks" in found.error["detail"]


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package with a peer factory, as it lies where packages are installed."""
    package = tmp_path / "peers" / "acme-1.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1\n")
    (package / "entry_points.txt").write_text("[m2kt.peers]\nacme-digits = acme:peer\n")
    monkeypatch.syspath_prepend(package.parent)


def opened(live, project="default"):
    """An exchange of a project."""
    task = {"name": "animals"}
    with live.begin() as session:
        row = Exchange(project=project, opened_by="ada", task=task, plan="{}", least=2, most=2, phase_seconds=60)
        session.add(row)
        session.flush()
        return str(row.id)


def test_an_exchange_gets_key_broker_and_places_and_its_report_is_the_result(bench, ledger, live, says, installed):
    asked = says("{'rounds': 3}")
    order = {"peer": "acme-digits", "exchange": opened(live), "trust": "keys"}
    found = attempted(bench, ledger, JobKind.EXCHANGE, **order)
    assert found.result == {"rounds": 3}
    module, job, spec = asked[0]
    assert (module, job) == ("student_agent", "exchange")
    assert sorted(spec) == ["broker", "exchange", "key", "out", "peer", "state", "trust"]
    assert spec["key"] == str(bench.settings.worker_key.absolute())


@pytest.mark.parametrize("peer", ["os:system", "acme:peer", "acme-letters", None, ["acme-digits"]])
def test_an_exchange_runs_no_factory_that_is_not_installed(bench, ledger, live, says, installed, peer):
    asked = says("{}")
    found = attempted(bench, ledger, JobKind.EXCHANGE, peer=peer, exchange=opened(live))
    assert (found.state, found.error["code"], asked) == ("failed", "usage", [])
    assert "installed: acme-digits" in found.error["detail"]


def test_an_exchange_of_another_project_is_not_there_for_a_job(bench, ledger, live, says, installed):
    asked = says("{}")
    for exchange, code in ((opened(live, "beta"), "not-found"), (str(uuid4()), "not-found"), ("all", "usage")):
        found = attempted(bench, ledger, JobKind.EXCHANGE, peer="acme-digits", exchange=exchange)
        assert (found.state, found.error["code"], asked) == ("failed", code, [])


@pytest.mark.parametrize(("module", "job"), [("student_agent", "of-next-year"), ("no_such_program", "verify")])
def test_a_job_whose_program_is_not_here_is_given_back_and_not_lost(bench, ledger, live, monkeypatch, module, job):
    monkeypatch.setattr(children, "run_child", lambda _, __, spec, **how: run_child(module, job, spec, **how))
    for _ in range(4):  # as often as it takes: it does not count
        found = attempted_again(bench, ledger, live, JobKind.VERIFY)
        assert (found.state, found.attempt) == ("queued", 0)
    with live.begin() as session:
        why = trail.events(session, found.id, after=0)[-1].detail["why"]
    assert "knows no job of-next-year" in why or "No module named no_such_program" in why


def attempted_again(bench, ledger, live, kind):
    with live.begin() as session:
        row = session.scalar(select(Job).where(Job.kind == kind))
        if row is not None:
            row.not_before = row.created
    job = row.id if row is not None else ledger.submit(kind)
    attempt(bench, ledger.claim(kind=kind), threading.Event())
    return ledger.get(job)


def test_a_disk_that_is_full_for_the_child_is_not_the_jobs_fault_either(bench, ledger, live, says):
    says("(_ for _ in ()).throw(__import__('m2kt.errors').errors.DiskFull('no space left on /work'))")
    found = attempted(bench, ledger, JobKind.VERIFY, model="m", checks="c")
    assert (found.state, found.attempt) == ("queued", 0)
    with live.begin() as session:
        assert "no space left" in trail.events(session, found.id, after=0)[-1].detail["why"]


# Memory


def test_memory_of_the_gpu_before_and_after_is_an_event_of_the_job(bench, ledger, live, says, tmp_path, monkeypatch):
    smi = tmp_path / "bin" / "nvidia-smi"  # a stand-in: there is no GPU here; says 100, then 164
    smi.parent.mkdir()
    smi.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\nexpr 36 + 64 "*" $(wc -l < {tmp_path}/asked)\n')
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", str(smi.parent), prepend=os.pathsep)
    says("{}")
    found = attempted(replace(bench, device="cuda:1"), ledger, JobKind.VERIFY, model="m", checks="c")
    with live.begin() as session:
        told = [each.detail for each in trail.events(session, found.id, after=0) if each.what == "vram"]
    assert told == [{"device": "cuda:1", "before_mib": 100, "after_mib": 164}]
    assert "--id=1" in Path(tmp_path / "asked").read_text()


def test_a_driver_that_says_nonsense_gives_no_figure(tmp_path, monkeypatch):
    smi = tmp_path / "nvidia-smi"
    smi.write_text("#!/bin/sh\necho '[N/A]'\n")
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert vram_used_mib("cuda") is None


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        ("torch.cuda.OutOfMemoryError('CUDA out of memory. Tried to allocate 2.00 GiB')", OutOfMemory),
        ("RuntimeError('CUDA error: out of memory')", OutOfMemory),
        ("RuntimeError('CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`')", OutOfMemory),
        ("RuntimeError('CUDA error: an illegal memory access was encountered')", ChildFailed),
    ],
)
def test_memory_that_ran_out_on_the_gpu_is_told_from_a_crash(tmp_path, raised, kind):
    loaded = "import torch" if raised.startswith("torch") else "import sys"
    lines = (loaded, "import sys", "from m2kt.agent.child import run_job", f"def job(spec): raise {raised}")
    (tmp_path / "trainer.py").write_text("\n".join((*lines, "sys.exit(run_job(job))")))
    with pytest.raises(ChildFailed) as caught:
        run_child("trainer", "work", {}, env={"PYTHONPATH": os.pathsep.join(filter(None, [str(tmp_path), *sys.path]))})
    assert type(caught.value) is kind
