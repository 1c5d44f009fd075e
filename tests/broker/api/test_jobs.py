"""Ordering jobs over HTTP."""

import uuid

import pytest

from broker.services import trail
from m2kt.errors import Conflict, Forbidden, NotFound, NotPullable, TooLarge, UsageError
from m2kt.signing import sign_packet
from tests.broker.conftest import make_packet

pytestmark = pytest.mark.usefixtures("enrolled")

EXTRACT = {"model": "m", "domain": "d", "name": "n", "version": "1.0.0"}


def test_a_job_is_queued_shown_listed_and_cancelled(client_of, keys):
    teacher = client_of(keys.teacher)
    told = teacher.submit_job("extract", EXTRACT)
    assert (told["state"], told["submitter"], told["attempt"]) == ("queued", "ada", 0)
    assert teacher.job(told["id"]) == told
    assert [each["id"] for each in teacher.jobs(kind="extract", state="queued")] == [told["id"]]
    cancelled = teacher.cancel_job(told["id"])
    assert (cancelled["state"], cancelled["error"]["detail"]) == ("cancelled", "cancelled by ada")
    with pytest.raises(Conflict, match="cancelled already"):
        teacher.cancel_job(told["id"])


def test_only_its_submitter_or_an_administrator_cancels_a_job(client_of, keys):
    told = client_of(keys.teacher).submit_job("noop", {})
    with pytest.raises(Forbidden):
        client_of(keys.student).cancel_job(told["id"])
    assert client_of(keys.admin).cancel_job(told["id"])["state"] == "cancelled"


def test_a_scan_is_cancelled_by_nobody(client_of, keys, signed):
    client_of(keys.teacher).publish(signed)
    scan = next(client_of(None).jobs(kind="scan"))
    with pytest.raises(Conflict, match="scan"):
        client_of(keys.admin).cancel_job(scan["id"])


def test_roles_order_their_own_kind_of_work(client_of, keys):
    with pytest.raises(Forbidden):
        client_of(keys.student).submit_job("extract", EXTRACT)
    with pytest.raises(Forbidden):
        client_of(keys.teacher).submit_job("align", {"packet_id": "x", "model": "m"})


def test_an_order_needs_its_fields_and_chooses_no_place_on_the_worker(client_of, keys):
    with pytest.raises(UsageError, match="needs domain, name, version"):
        client_of(keys.teacher).submit_job("extract", {"model": "m"})
    for field in ("key", "out", "broker"):
        with pytest.raises(UsageError, match="the worker chooses"):
            client_of(keys.teacher).submit_job("extract", {**EXTRACT, field: "/etc/passwd"})


def test_only_an_approved_packet_can_be_aligned(client_of, keys, signed, run_scans):
    packet_id = client_of(keys.teacher).publish(signed)["packet_id"]
    order = {"packet_id": packet_id, "model": "m"}
    with pytest.raises(NotPullable):
        client_of(keys.student).submit_job("align", order)
    run_scans()
    assert client_of(keys.student).submit_job("align", order)["kind"] == "align"


def test_only_two_or_more_approved_packets_can_be_aggregated(client_of, keys, run_scans):
    admin, teacher = client_of(keys.admin), client_of(keys.teacher)
    ids = [teacher.publish(sign_packet(make_packet(f"acme/c{n}"), keys.teacher))["packet_id"] for n in range(2)]
    label = {"name": "acme/all", "version": "1.0.0"}
    with pytest.raises(NotPullable):
        admin.submit_job("aggregate", {**label, "packet_ids": ids})
    run_scans()
    for odd in (ids[:1], [ids[0], ids[0]], "both", [f"sha256:{n:064x}" for n in range(65)]):
        with pytest.raises(UsageError, match="packet_ids"):
            admin.submit_job("aggregate", {**label, "packet_ids": odd})
    assert admin.submit_job("aggregate", {**label, "packet_ids": ids})["state"] == "queued"
    with pytest.raises(Forbidden):
        client_of(keys.student).submit_job("aggregate", {**label, "packet_ids": ids})


def test_an_unknown_job_is_not_found(client_of, keys):
    with pytest.raises(NotFound):
        client_of(None).job(uuid.uuid4())
    with pytest.raises(NotFound):
        client_of(keys.admin).cancel_job(uuid.uuid4())


def test_an_order_repeated_under_its_key_is_one_job(client_of, keys, sign):
    teacher = client_of(keys.teacher)
    first = teacher.submit_job("noop", {"a": 1}, idempotency_key="k1")
    assert teacher.submit_job("noop", {"a": 1}, idempotency_key="k1")["id"] == first["id"]
    body, headers = b'{"kind": "noop", "spec": {"a": 1}}', {"Idempotency-Key": "k1", "Content-Type": "application/json"}
    assert sign(keys.teacher, "POST", "/v1/jobs", body, headers).status_code == 200
    with pytest.raises(Conflict, match="idempotency"):
        teacher.submit_job("noop", {"a": 2}, idempotency_key="k1")


def test_only_kinds_that_can_be_ordered_are_taken(client_of, keys):
    for kind, spec in (
        ("verify", {"model": "m", "checks": "c"}),
        ("exchange", {"exchange": "e", "peer": "p", "trust": "t"}),
    ):
        assert client_of(keys.admin).submit_job(kind, spec)["state"] == "queued"
    with pytest.raises(UsageError):
        client_of(keys.admin).submit_job("unheard-of", {})
    with pytest.raises(UsageError):
        client_of(keys.admin).submit_job("scan", {})


@pytest.mark.parametrize(
    "terms",
    [
        {"priority": 101},
        {"labels": {"gpus": True}},
        {"labels": {"memory_mib": -1}},
        {"needs": ["x"]},
        {"limit_seconds": 0},
        {"limit_seconds": float(10**9)},
        {"max_attempts": 11},
        {"dedup_key": "two words"},
        {"not_before": "2026-01-01T00:00:00"},
        {"idempotency_key": "two words"},
    ],
)
def test_terms_that_do_not_fit_are_refused(client_of, keys, terms):
    with pytest.raises(UsageError):
        client_of(keys.admin).submit_job("noop", {}, **terms)


def test_a_large_specification_is_refused(client_of, keys):
    with pytest.raises(TooLarge):
        client_of(keys.admin).submit_job("noop", {"text": "x" * 200_000})


def test_a_cancelled_job_is_retried_by_its_submitter(client_of, keys):
    teacher = client_of(keys.teacher)
    told = teacher.submit_job("noop", {})
    teacher.cancel_job(told["id"])
    with pytest.raises(Forbidden):
        client_of(keys.student).retry_job(told["id"])
    assert teacher.retry_job(told["id"])["state"] == "queued"
    with pytest.raises(Conflict):
        teacher.retry_job(told["id"])


def test_events_are_streamed_until_the_end_and_from_the_last_one_seen(client_of, keys, http):
    teacher = client_of(keys.teacher)
    told = teacher.submit_job("noop", {})
    teacher.cancel_job(told["id"])
    seen = list(teacher.follow_job(told["id"]))
    assert [each["event"] for each in seen] == ["queued", "cancelled", "end"]
    assert seen[-1]["state"] == "cancelled"
    whole = http.get(f"/v1/jobs/{told['id']}/events")
    assert whole.headers["content-type"].startswith("text/event-stream")
    first = next(line for line in whole.text.splitlines() if line.startswith("id: ")).removeprefix("id: ")
    rest = http.get(f"/v1/jobs/{told['id']}/events", headers={"Last-Event-ID": first}).text
    assert "event: queued" not in rest
    assert "event: cancelled" in rest


def test_events_of_an_unknown_job_are_not_found(http, client_of):
    assert http.get(f"/v1/jobs/{uuid.uuid4()}/events").status_code == 404
    with pytest.raises(NotFound):
        next(client_of(None).follow_job(uuid.uuid4()))


def test_a_log_is_for_its_submitter_and_comes_in_parts(client_of, keys, session, sign):
    told = client_of(keys.teacher).submit_job("noop", {})
    trail.keep_log(session, uuid.UUID(told["id"]), 1, b"first")
    trail.keep_log(session, uuid.UUID(told["id"]), 2, b"0123456789")
    session.commit()
    teacher = client_of(keys.teacher)
    assert teacher.job_log(told["id"]) == "0123456789"
    assert teacher.job_log(told["id"], attempt=1) == "first"
    assert teacher.job_log(told["id"], tail=3) == "789"
    part = sign(keys.teacher, "GET", f"/v1/jobs/{told['id']}/logs", headers={"Range": "bytes=2-4"})
    assert (part.status_code, part.text, part.headers["content-range"]) == (206, "234", "bytes 2-4/10")
    with pytest.raises(Forbidden):
        client_of(keys.student).job_log(told["id"])
    with pytest.raises(NotFound, match="no log of attempt 9"):
        teacher.job_log(told["id"], attempt=9)
