"""Sessions and heartbeats over HTTP: one life of an agent at a time, and what it hears."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text, update

from broker.models import AgentSession, Job, Role
from broker.services import agents, cascade
from m2kt.agent.heartbeat import Heartbeat
from m2kt.agent.session import open_session, opened
from m2kt.client import OUTCOME, Client
from m2kt.errors import (
    Forbidden,
    KeyNotValid,
    LeaseLost,
    RequestUnsigned,
    SessionEnded,
    SessionRequired,
    UnknownKey,
)
from m2kt.packet import PacketId
from m2kt.signing import sign_packet
from m2kt.signing.statement import attest
from tests.broker.conftest import make_packet

pytestmark = pytest.mark.usefixtures("enrolled")


@pytest.fixture
def live(client_of):
    """A client with a session of its own, and what the broker said to it."""

    def start(key):
        client = client_of(key)
        return client, open_session(client)

    return start


def test_a_session_has_an_epoch_and_signs_what_follows(live, keys, session):
    client, first = live(keys.teacher)
    assert (first.epoch, first.name, first.role, first.project) == (1, "ada", "teacher", "default")
    assert abs(first.skew_seconds) < 30
    assert client.submit_job("noop", {})["submitter"] == "ada"
    assert live(keys.teacher)[1].epoch == 2


def test_of_two_daemons_with_one_key_only_the_later_one_acts(live, keys):
    first, _ = live(keys.teacher)
    second, _ = live(keys.teacher)
    for call in (lambda: first.submit_job("noop", {}), first.beat, lambda: list(first.list())):
        with pytest.raises(SessionEnded, match="session 2 of ada"):
            call()
    assert second.submit_job("noop", {})["state"] == "queued"


def test_a_session_that_ended_is_never_opened_again(live, keys):
    first, told = live(keys.teacher)
    live(keys.teacher)
    with pytest.raises(SessionEnded):
        first._transport.post("/v1/session", {"session": told.id})
    first._transport.session = None
    with pytest.raises(SessionEnded):
        first.open_session(told.id)


def test_opening_the_same_session_again_after_a_lost_answer_changes_nothing(live, keys):
    client, told = live(keys.teacher)
    assert client.open_session(told.id)["epoch"] == told.epoch


def test_a_request_without_the_session_may_read_beside_it_and_change_nothing(live, client_of, keys):
    live(keys.teacher)
    beside = client_of(keys.teacher)
    with pytest.raises(SessionRequired):
        beside.submit_job("noop", {})
    assert list(beside.list()) == []


def test_a_silent_session_stops_nobody_and_comes_back_with_its_next_beat(live, client_of, keys, session):
    client, _ = live(keys.teacher)
    session.execute(update(AgentSession).values(seen=func.now() - timedelta(minutes=5)))
    session.commit()
    assert client_of(keys.teacher).submit_job("noop", {})["state"] == "queued"
    assert client.beat()["orders"] == []
    with pytest.raises(SessionRequired):
        client_of(keys.teacher).submit_job("noop", {})


def test_a_session_that_was_closed_lets_others_call(client_of, keys):
    client = client_of(keys.teacher)
    with opened(client) as told:
        assert told.epoch == 1
    assert client.submit_job("noop", {})["state"] == "queued"


def test_a_session_in_the_header_that_the_signature_does_not_cover_is_refused(live, keys, sign):
    _, told = live(keys.teacher)

    def add(request):
        request.headers["M2KT-Session"] = told.id

    answer = sign(keys.teacher, "POST", "/v1/jobs", b'{"kind": "noop"}', {"Content-Type": "application/json"}, add)
    assert (answer.status_code, answer.json()["code"]) == (401, "request-unsigned")


def test_holders_whom_the_settings_name_have_no_sessions(client_of, keys):
    with pytest.raises(Forbidden, match="settings"):
        open_session(client_of(keys.admin))


def test_taking_over_queues_the_leases_of_the_life_before_again_and_counts_the_attempt(live, keys):
    first, told = live(keys.teacher)
    job = first.submit_job("noop", {})["id"]
    lease = first.lease_job(told.id, ["noop"])
    second, later = live(keys.teacher)
    with pytest.raises(SessionEnded):
        first.finish_job(lease, told.id, "succeeded")
    with pytest.raises(LeaseLost):
        second.finish_job(lease, later.id, "succeeded")
    again = second.lease_job(later.id, ["noop"])
    assert (again["job"], again["attempt"]) == (job, 2)


def test_a_job_that_brings_its_agent_down_every_time_ends(live, keys):
    client, told = live(keys.teacher)
    job = client.submit_job("noop", {}, max_attempts=2)["id"]
    for _ in range(2):
        assert client.lease_job(told.id, ["noop"])["job"] == job
        client, told = live(keys.teacher)
    assert client.job(job)["state"] == "dead"


def test_a_lease_names_the_session_that_signs(live, keys):
    client, _ = live(keys.teacher)
    with pytest.raises(Forbidden):
        client.lease_job("another-session", ["noop"])


# Heartbeats


def test_a_beat_renews_leases_and_keeps_progress_and_log(live, keys, session):
    client, told = live(keys.teacher)
    job = client.submit_job("noop", {})["id"]
    lease = client.lease_job(told.id, ["noop"])
    before = session.scalar(select(Job.lease_until))
    progress = {"step": "probes", "done": 1, "total": 2}
    answer = client.beat([{"job": job, "fence": lease["fence"], "progress": progress, "log": "so far"}])
    assert (answer["orders"], answer["epoch"]) == ([], 1)
    assert session.scalar(select(Job.lease_until)) > before
    assert client.job(job)["progress"] == progress
    assert client.job_log(job) == "so far"
    client.beat([{"job": job, "fence": lease["fence"]}])
    assert client.job(job)["progress"] == progress


def test_a_cancelled_job_and_a_drain_reach_the_agent_as_orders(live, client_of, keys):
    client, told = live(keys.teacher)
    job = client.submit_job("noop", {})["id"]
    lease = client.lease_job(told.id, ["noop"])
    client_of(keys.admin).cancel_job(job)
    client_of(keys.admin).drain_agent("ada")
    orders = client.beat([{"job": job, "fence": lease["fence"]}])["orders"]
    assert [each["order"] for each in orders] == ["stop", "drain"]
    assert (orders[0]["job"], orders[0]["reason"]) == (job, "it is cancelled")


def test_an_agent_that_is_to_drain_gets_no_work_until_it_may_resume(live, client_of, keys):
    client, told = live(keys.teacher)
    client.submit_job("noop", {})
    client_of(keys.admin).drain_agent("ada")
    assert client.lease_job(told.id, ["noop"]) is None
    client_of(keys.admin).resume_agent("ada")
    assert client.beat()["orders"] == []
    assert client.lease_job(told.id, ["noop"]) is not None


def test_a_lease_that_ran_out_is_not_brought_back_by_a_beat(live, keys, session):
    client, told = live(keys.teacher)
    job = client.submit_job("noop", {})["id"]
    lease = client.lease_job(told.id, ["noop"])
    session.execute(update(Job).values(lease_until=func.now() - timedelta(seconds=1)))
    session.commit()
    orders = client.beat([{"job": job, "fence": lease["fence"]}])["orders"]
    assert orders == [{"order": "stop", "job": job, "reason": "its lease ran out"}]


def test_a_beat_is_a_sessions(client_of, keys):
    with pytest.raises(SessionRequired):
        client_of(keys.teacher).beat()


def test_a_student_hears_of_a_revoked_packet_until_it_says_that_it_is_out_of_force(
    live, client_of, keys, signed, run_scans
):
    packet = client_of(keys.teacher).publish(signed)["packet_id"]
    run_scans()
    student, _ = live(keys.student)

    def report(decision):
        student.report_outcome(attest(PacketId(packet), OUTCOME, {"decision": decision}, keys.student))

    report("rolled-back")
    client_of(keys.teacher).revoke(packet, "wrong")
    assert student.beat()["orders"] == []
    report("accepted")
    for _ in range(2):
        assert student.beat()["orders"] == [{"order": "recall", "packet_id": packet, "reason": "wrong"}]
    report("recalled")
    assert student.beat()["orders"] == []


@pytest.fixture
def held(live, client_of, keys, run_scans):
    """A student with a packet, the packet, and its parent."""
    teacher = client_of(keys.teacher)
    parent = teacher.publish(sign_packet(make_packet("acme/parent"), keys.teacher))["packet_id"]
    made = sign_packet(make_packet("acme/child", parents=[parent]), keys.teacher)
    child = teacher.publish(made)["packet_id"]
    run_scans()
    return live(keys.student)[0], child, parent


@pytest.mark.parametrize("ended", ["removed", "recalled", "replaced"])
def test_a_heartbeat_recalls_what_the_list_of_recalls_has(held, client_of, keys, ended):
    """What is quarantined, too; words that leave a student as it was change nothing, unknown ones begin."""
    student, child, parent = held

    def orders_after(decision):
        student.report_outcome(attest(PacketId(child), OUTCOME, {"decision": decision}, keys.student))
        orders = [(each["packet_id"], each["reason"]) for each in student.beat()["orders"]]
        assert orders == [(each["packet_id"], each["reason"]) for each in student.recalls()]
        return [each[0] for each in orders]

    assert orders_after("activated") == []
    client_of(keys.teacher).revoke(parent, "wrong")
    assert client_of(keys.teacher).show(child)["state"] == "quarantined"
    assert orders_after("rolled-back") == [child]
    assert orders_after("refused") == [child]
    assert orders_after(ended) == []


def test_a_heartbeat_recalls_what_is_about_to_be_quarantined(held, client_of, keys, monkeypatch):
    student, child, parent = held
    student.report_outcome(attest(PacketId(child), OUTCOME, {"decision": "accepted"}, keys.student))
    monkeypatch.setattr(cascade, "AT_ONCE", 0)
    client_of(keys.teacher).revoke(parent, "wrong")
    assert client_of(keys.teacher).show(child)["state"] == "approved"
    assert [each["packet_id"] for each in student.beat()["orders"]] == [child]


# Revocation


def test_a_revoked_agent_is_out_with_its_next_request_and_its_jobs_are_due_again(live, client_of, keys):
    client, told = live(keys.teacher)
    job = client.submit_job("noop", {})["id"]
    lease = client.lease_job(told.id, ["noop"])
    admin = client_of(keys.admin)
    admin.revoke_agent("ada")
    for call in (
        client.beat,
        lambda: client.finish_job(lease, told.id, "succeeded"),
        lambda: client.heartbeat(told.id, [{"job": job, "fence": lease["fence"]}]),
        lambda: client.release_job(lease, told.id),
    ):
        with pytest.raises(KeyNotValid, match="revoked"):
            call()
    found = admin.job(job)
    assert (found["state"], found["attempt"]) == ("queued", 0)
    assert admin.lease_job("another-session", ["noop"])["job"] == job


def test_an_agent_revoked_between_its_admission_and_its_beat_is_not_refreshed(live, keys, session):
    from broker.services import heartbeats
    from broker.services.agents import Principal

    _, told = live(keys.teacher)
    row = session.scalars(select(AgentSession)).one()
    known = Principal.of("ada", Role.TEACHER, keys.teacher.public_key())
    admitted = known.__class__(**{**known.__dict__, "agent_id": row.agent_id, "session": told.id})
    assert heartbeats.beat(session, admitted, [], 30).epoch == 1
    agents.revoke(session, keys.broker, "ada")
    with pytest.raises(SessionEnded):
        heartbeats.beat(session, admitted, [], 30)


# The agent's side


class Told:
    def __init__(self):
        self.orders, self.out, self.event = [], [], threading.Event()

    def order(self, each):
        self.orders.append(each)
        self.event.set()

    def end(self, error):
        self.out.append(error)
        self.event.set()


def test_the_heartbeat_thread_hands_on_orders_and_stops_when_it_is_followed(live, client_of, keys):
    client, told = live(keys.teacher)
    heard = Told()
    client_of(keys.admin).drain_agent("ada")
    with Heartbeat(client, told, lambda: [], heard.order, heard.end) as beating:
        assert heard.event.wait(60)
        assert heard.orders[0]["order"] == "drain"
        heard.event.clear()
        live(keys.teacher)
        beating.nudge()
        assert heard.event.wait(60)
    assert isinstance(beating.out, SessionEnded)
    assert heard.out == [beating.out]


def test_the_heartbeat_outlives_a_broker_that_is_away_and_a_handler_that_breaks(live, client_of, keys, transport):
    import httpx

    class Flaky(httpx.BaseTransport):
        left = 2

        def handle_request(self, request):
            if self.left:
                self.left -= 1
                raise httpx.ConnectError("away")
            return transport.handle_request(request)

    client, told = live(keys.teacher)
    flaky = Client("http://broker.test", keys.teacher, transport=Flaky(), session=told.id)
    client_of(keys.admin).drain_agent("ada")
    seen = threading.Event()

    def broken(_):
        seen.set()
        raise ValueError("a handler's mistake")

    quick = told.__class__(**{**told.__dict__, "beat_seconds": 0.02})
    with Heartbeat(flaky, quick, lambda: [], broken, lambda _: None) as beating:
        assert seen.wait(60)
        seen.clear()
        assert seen.wait(60)
    assert beating.out is None
    client.close_session()


def test_sessions_are_forgotten_long_after_they_ended(live, keys, session):
    from broker.services import sessions

    live(keys.teacher)
    live(keys.teacher)
    session.execute(text("UPDATE agent_sessions SET closed = closed - interval '40 days' WHERE closed IS NOT NULL"))
    sessions.forget(session, timedelta(days=30))
    assert session.scalars(select(AgentSession.epoch)).all() == [2]


def test_a_stranger_has_no_session(client_of, keys):
    with pytest.raises(UnknownKey):
        open_session(client_of(keys.stranger))
    with pytest.raises(RequestUnsigned):
        client_of(None).beat()
