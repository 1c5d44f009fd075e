"""Leases over HTTP: the worker's rules, for agents."""

import uuid

import pytest
from sqlalchemy import func, update

from broker.models import Job
from m2kt.errors import Forbidden, LeaseLost, UsageError

pytestmark = pytest.mark.usefixtures("enrolled")

ONE, TWO = "session-one", "session-two"
EXTRACT = {"model": "m", "domain": "d", "name": "n", "version": "1.0.0"}


@pytest.fixture
def teacher(client_of, keys):
    return client_of(keys.teacher)


@pytest.fixture
def ordered(teacher):
    return teacher.submit_job("extract", EXTRACT)["id"]


def expire(session):
    session.execute(update(Job).values(lease_until=func.clock_timestamp()))
    session.commit()


def test_an_agent_leases_beats_and_finishes_a_job(teacher, ordered):
    lease = teacher.lease_job(ONE, ["extract"])
    assert (lease["job"], lease["spec"], lease["attempt"]) == (ordered, EXTRACT, 1)
    assert teacher.lease_job(ONE, ["extract"]) is None
    progress = {"step": "probes", "done": 1, "total": 2}
    beat = teacher.heartbeat(ONE, [{"job": ordered, "fence": lease["fence"], "progress": progress, "log": "so far"}])
    assert beat["orders"] == []
    assert teacher.job(ordered)["progress"] == progress
    done = teacher.finish_job(lease, ONE, "succeeded", result={"packet_id": "p"}, log="all of it")
    assert (done["state"], done["result"]) == ("succeeded", {"packet_id": "p"})
    assert teacher.job_log(ordered) == "all of it"


def test_a_finish_whose_answer_was_lost_may_be_said_again(teacher, ordered):
    lease = teacher.lease_job(ONE, ["extract"])
    for _ in range(2):
        assert teacher.finish_job(lease, ONE, "succeeded", result={"n": 1})["state"] == "succeeded"
    with pytest.raises(LeaseLost):
        teacher.finish_job(lease, TWO, "succeeded", result={"n": 2})
    with pytest.raises(LeaseLost):
        teacher.finish_job(lease, ONE, "failed")


def test_a_beat_that_comes_after_the_finish_changes_nothing(teacher, ordered):
    lease = teacher.lease_job(ONE, ["extract"])
    teacher.finish_job(lease, ONE, "succeeded", result={"n": 1})
    beat = teacher.heartbeat(ONE, [{"job": ordered, "fence": lease["fence"]}])
    assert beat["orders"] == [{"order": "stop", "job": ordered, "reason": "it is succeeded"}]
    assert teacher.job(ordered)["result"] == {"n": 1}


def test_a_lease_that_ran_out_is_lost_and_no_beat_brings_it_back(teacher, ordered, session):
    lease = teacher.lease_job(ONE, ["extract"])
    expire(session)
    beat = teacher.heartbeat(ONE, [{"job": ordered, "fence": lease["fence"]}])
    assert beat["orders"] == [{"order": "stop", "job": ordered, "reason": "its lease ran out"}]
    with pytest.raises(LeaseLost):
        teacher.finish_job(lease, ONE, "succeeded")
    with pytest.raises(LeaseLost):
        teacher.release_job(lease, ONE)


def test_a_cancel_reaches_the_agent_as_an_order(teacher, ordered):
    lease = teacher.lease_job(ONE, ["extract"])
    teacher.cancel_job(ordered)
    held = [{"job": ordered, "fence": lease["fence"]}, {"job": str(uuid.uuid4()), "fence": 1}]
    reasons = {each["reason"] for each in teacher.heartbeat(ONE, held)["orders"]}
    assert reasons == {"it is cancelled", "there is no such job"}


def test_neither_another_agent_nor_a_former_life_writes_for_a_holder(teacher, client_of, keys, ordered):
    lease = teacher.lease_job(ONE, ["extract"])
    for agent, session in ((teacher, TWO), (client_of(keys.admin), ONE)):
        assert agent.heartbeat(session, [{"job": ordered, "fence": lease["fence"]}])["orders"]
        with pytest.raises(LeaseLost):
            agent.finish_job(lease, session, "succeeded")


def test_a_job_given_back_is_due_again_and_its_attempt_does_not_count(teacher, ordered):
    lease = teacher.lease_job(ONE, ["extract"])
    given = teacher.release_job(lease, ONE)
    assert (given["state"], given["attempt"]) == ("queued", 0)
    assert teacher.lease_job(TWO, ["extract"])["fence"] == lease["fence"] + 1


def test_broke_asks_for_another_attempt_and_failed_does_not(teacher, ordered):
    lease = teacher.lease_job(ONE, ["extract"])
    assert teacher.finish_job(lease, ONE, "broke", error={"code": "oom"})["state"] == "queued"
    other = teacher.submit_job("extract", {**EXTRACT, "version": "2.0.0"})
    lease = teacher.lease_job(ONE, ["extract"])
    assert lease["job"] == other["id"]
    assert teacher.finish_job(lease, ONE, "failed")["error"]["code"] == "failed"


def test_labels_are_matched_and_an_unknown_kind_is_simply_not_due(teacher, client_of, keys):
    job = teacher.submit_job("extract", EXTRACT, labels={"gpu": True, "memory_mib": 10, "site": "x", "model": "m"})
    worker = client_of(keys.admin)
    assert worker.lease_job(ONE, ["extract", "a-kind-of-tomorrow"], gpu=True, memory_mib=10, site="x") is None
    lease = worker.lease_job(ONE, ["extract"], gpu=True, memory_mib=10, site="x", models=["m"])
    assert lease["job"] == job["id"]


def test_roles_lease_their_own_kind_of_work_and_nobody_leases_a_scan(teacher, client_of, keys):
    with pytest.raises(Forbidden):
        teacher.lease_job(ONE, ["align"])
    with pytest.raises(Forbidden):
        client_of(keys.student).lease_job(ONE, ["extract"])
    with pytest.raises(Forbidden):
        client_of(keys.admin).lease_job(ONE, ["scan"])


@pytest.mark.parametrize("word", ["short", "x" * 65, "with space"])
def test_a_session_is_a_word_of_its_own(teacher, word):
    with pytest.raises(UsageError):
        teacher.lease_job(word, ["noop"])
