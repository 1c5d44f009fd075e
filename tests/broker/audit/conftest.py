"""A broker in which something of everything has happened, with its seal key on the connection; and the audit of it."""

import pytest
from sqlalchemy import text

from broker.audit import audit
from broker.models import JobKind, Role
from broker.sealing import SETTING, SealKey
from broker.services import agents, jobs, orders, trail
from broker.services.agents import Principal
from broker.services.orders import Terms
from m2kt.client.predicates import OUTCOME
from m2kt.signing import sign_packet
from m2kt.signing.keys import generate
from m2kt.signing.statement import attest
from tests.broker.conftest import make_packet


@pytest.fixture
def seal_key(keys):
    return SealKey.of(keys.broker)


@pytest.fixture
def connection(connection, seal_key):
    """The connection as the broker's own programs have it; the end rolls its settings back, too."""
    for name, value in ((SETTING, seal_key.text), ("timezone", "UTC"), ("bytea_output", "hex")):
        connection.execute(text("SELECT set_config(:name, :value, true)"), {"name": name, "value": value})
    return connection


@pytest.fixture
def scene(connection, session, client_of, keys, signed, run_scans, run_log):
    """A row in every table. A new table needs one here."""
    gone = generate()
    for name, role, key in (
        ("ada", Role.TEACHER, keys.teacher),
        ("stu", Role.STUDENT, keys.student),
        ("gone", Role.TEACHER, gone),
    ):
        agents.register(session, keys.broker, name, role, key.public_key())
    agents.revoke(session, keys.broker, "gone")
    session.commit()
    packet_id = client_of(keys.teacher).publish(signed)["packet_id"]
    run_scans()
    client_of(keys.student).report_outcome(attest(packet_id, OUTCOME, {"decision": "accepted"}, keys.student))
    other = client_of(keys.teacher).publish(sign_packet(make_packet("acme/revoked"), keys.teacher))["packet_id"]
    run_scans()
    client_of(keys.teacher).revoke(other, "wrong")
    run_log()
    _work(session, keys)
    session.commit()


def _work(session, keys) -> None:
    """A job that ran twice and succeeded with a log, one that waits for another, one cancelled, one under way."""
    by = Principal.of("ada", Role.TEACHER, keys.teacher.public_key())
    first = orders.place(session, JobKind.NOOP, {"n": 1}, by=by).job
    for owner in ("w1", "w2"):
        held = jobs.claim(session, owner, 30, [JobKind.NOOP])
        assert held.id == first.id
        trail.keep_log(session, held.id, held.attempt, b"it runs")
        if owner == "w1":
            jobs.release(session, held)
    jobs.succeed(session, held, {"ok": True})
    running = orders.place(session, JobKind.NOOP, {"n": 2}, by=by, terms=Terms(idempotency_key="k", dedup_key="d")).job
    orders.place(session, JobKind.NOOP, {"n": 3}, by=by, terms=Terms(needs=(running.id,), limit_seconds=5))
    held = jobs.claim(session, "w1", 30, [JobKind.NOOP])
    jobs.report(session, held, {"done": 0.5})
    cancelled = orders.place(session, JobKind.NOOP, {"n": 4}, by=by).job
    jobs.cancel(session, cancelled.id, by="ada", admin=False)
    jobs.again(session, cancelled.id, by="ada", admin=False)


@pytest.fixture
def look(scene, session, keeper, seal_key):
    """The audit's report."""

    def run():
        session.expire_all()
        return audit(session, keeper, (seal_key,))

    return run
