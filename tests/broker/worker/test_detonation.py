"""A packet is tried on a reference student before anybody gets it; a try that came to no end clears nothing."""

import json
import threading

import pytest

from broker.models import JobKind, Packet
from broker.services import attestations
from broker.worker.attempt import attempt
from m2kt.client.predicates import DETONATION
from m2kt.scan import Policy
from m2kt.signing import sign_packet
from m2kt.signing.dsse import Envelope
from m2kt.signing.statement import Statement
from tests.broker.conftest import make_packet
from tests.broker.worker.test_kinds import published, says  # noqa: F401 - a fixture
from tests.broker.worker.test_scanning import under
from tests.small import small_packet

FIGURES = {"accuracy_before": 0.75, "accuracy_after": 0.75, "perplexity_before": 9.0, "perplexity_after": 9.0}


@pytest.fixture
def packet_id(bench, live, keys):
    return published(bench, live, keys, sign_packet(small_packet(), keys.teacher))[0]


@pytest.fixture
def reference(tmp_path):
    """The files of a reference student; nobody loads them where the children are others."""
    root = tmp_path / "reference"
    (root / "model").mkdir(parents=True)
    (root / "model" / "config.json").write_text("{}")
    for name in ("canary.jsonl", "capability.jsonl", "general.txt"):
        (root / name).write_text("x\n")
    return root


def trying(bench, reference, **settings):
    told = bench.settings.model_copy(update={"detonation": reference, **settings})
    return type(bench)(**{**vars(bench), "settings": told})


def scanned(live, bench, ledger, packet_id):
    held = ledger.claim(kind=JobKind.SCAN)
    attempt(bench, held, threading.Event())
    with live.begin() as session:
        packet, row = session.get(Packet, packet_id), attestations.latest(session, packet_id, DETONATION)
        said = Statement.from_bytes(Envelope.from_bytes(row.envelope).payload).predicate if row else None
        return packet.state, said, ledger.get(held.id)


def check_of(job):
    return {each["name"]: each for each in job.result["checks"]}["detonation"]


def test_what_it_did_is_signed_and_judged(live, bench, ledger, packet_id, reference, says):  # noqa: F811
    asked = says(repr(FIGURES))
    state, said, job = scanned(live, trying(bench, reference), ledger, packet_id)
    assert (state, check_of(job)["outcome"]) == ("approved", "pass"), job.error
    assert (said["canary_before"], said["perplexity_after"]) == ("0.75", "9")
    assert said["student"].startswith("sha256:")
    assert [each[1] for each in asked] == ["align", "verify", "verify"]
    assert not list(bench.settings.work_dir.glob("jobs/*deton*"))


def test_a_packet_that_harms_waits_for_a_reviewer(live, bench, ledger, packet_id, reference, says):  # noqa: F811
    says(repr({**FIGURES, "accuracy_after": 0.5}))
    state, said, job = scanned(live, trying(bench, reference), ledger, packet_id)
    assert (state, check_of(job)["outcome"]) == ("quarantined", "suspicious"), job.error
    assert said["canary_after"] == "0.5"


@pytest.mark.parametrize(
    ("body", "why"),
    [("__import__('os').abort()", "SIGABRT"), ("__import__('time').sleep(60)", "did not finish within 2 s")],
)
def test_a_child_that_crashes_or_hangs_clears_nothing(live, bench, ledger, packet_id, reference, says, body, why):  # noqa: F811
    says(body)
    state, said, job = scanned(live, trying(bench, reference, detonation_seconds=2.0), ledger, packet_id)
    assert (state, said, job.state) == ("scanning", None, "queued")
    assert why in job.error["detail"]


def test_a_reference_student_that_is_not_whole_clears_nothing(live, bench, ledger, packet_id, reference):
    (reference / "canary.jsonl").unlink()
    state, said, job = scanned(live, trying(bench, reference), ledger, packet_id)
    assert (state, said, job.state) == ("scanning", None, "queued")
    assert "lacks canary.jsonl" in job.error["detail"]


def test_a_tier_that_asks_for_a_detonation_approves_nothing_without_one(live, bench, ledger, packet_id, tmp_path):
    tier = Policy().tiers["standard"]
    tiers = {"tried": type(tier)(tier.required | {"detonation"}, tier.optional)}
    state, _, job = scanned(live, under(bench, Policy(tiers=tiers, tier="tried"), tmp_path), ledger, packet_id)
    assert (state, job.state) == ("scanning", "queued")
    assert "detonation" in job.error["detail"]


def test_what_fails_the_other_checks_or_has_no_concepts_is_tried_on_nobody(live, bench, keys, ledger, reference):
    anchors = published(bench, live, keys, sign_packet(make_packet(), keys.teacher))[0]
    state, said, job = scanned(live, trying(bench, reference), ledger, anchors)
    assert (state, said, check_of(job)["outcome"]) == ("approved", None, "not-run")


@pytest.mark.nightly
@pytest.mark.timeout(600)
def test_a_real_student_is_aligned_and_asked(live, bench, ledger, packet_id, tmp_path):
    """Addition is learnt, the canaries are as before; and the policy sees what was measured."""
    from tests.models import silent_student
    from tests.student_agent.parts import WORDS, write_checks

    root = tmp_path / "reference"
    silent_student(root / "model", WORDS)
    write_checks(root / "capability.jsonl")
    (root / "canary.jsonl").write_text(json.dumps({"prompt": "the cat", "answer": "sat", "tags": ["x"]}) + "\n")
    (root / "general.txt").write_text("the cat sat\nq > r\n")
    (root / "schedule.json").write_text('{"steps": 60}')
    state, said, job = scanned(live, trying(bench, root), ledger, packet_id)
    assert (state, check_of(job)["outcome"]) == ("approved", "pass"), job.error
    assert (said["capability_before"], said["capability_after"]) == ("0", "1")
    assert said["canary_before"] == said["canary_after"] == "0"
