"""Ordering jobs over HTTP."""

import uuid

import pytest

from m2kt.errors import Conflict, Forbidden, NotFound, NotPullable, UsageError

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


def test_an_unknown_job_is_not_found(client_of, keys):
    with pytest.raises(NotFound):
        client_of(None).job(uuid.uuid4())
    with pytest.raises(NotFound):
        client_of(keys.admin).cancel_job(uuid.uuid4())
