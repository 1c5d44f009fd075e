"""A broker in which something of everything has happened, with its seal key on the connection; and the audit of it."""

import uuid
from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import text

from broker.audit import audit
from broker.models import JobKind, PendingBlob, PersonRole, Role
from broker.sealing import SETTING, SealKey
from broker.services import (
    accounts,
    agents,
    concepts,
    feed,
    idempotency,
    jobs,
    orders,
    sign_ins,
    trail,
    uploads,
)
from broker.services.agents import Principal
from broker.services.idempotency import Answer
from broker.services.orders import Terms
from m2kt.agent.session import open_session
from m2kt.client.predicates import OUTCOME
from m2kt.packet import PacketKind
from m2kt.signing import sign_packet
from m2kt.signing.keys import generate
from m2kt.signing.statement import attest
from tests.broker.api.conftest import everybody, opened, peers
from tests.broker.conftest import make_packet
from tests.broker.peers import round_with_a_liar

__all__ = ["everybody", "opened", "peers"]


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
def scene(connection, session, client_of, keys, signed, desk, run_scans, run_log, request):
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
    like = {concepts.CENTROIDS: np.random.default_rng(5).normal(size=(6, 8)).astype(np.float32)}
    client_of(keys.teacher).publish(
        sign_packet(make_packet("acme/concepts", kind=PacketKind.AGGREGATE, tensors=like), keys.teacher)
    )
    run_scans()
    client_of(keys.student).pull(packet_id)
    client_of(keys.student).report_outcome(attest(packet_id, OUTCOME, {"decision": "accepted"}, keys.student))
    peers = request.getfixturevalue("peers")
    peers[0].complain(round_with_a_liar(peers, run_scans))
    teacher = client_of(keys.teacher)
    teacher.move_channel("acme/chains", "stable", version="1.0.0", etag=None)
    other = teacher.publish(sign_packet(make_packet("acme/revoked"), keys.teacher))["packet_id"]
    run_scans()
    # Not scanned: what its parent's end says about it waits for its verdict.
    teacher.publish(sign_packet(make_packet("acme/child", parents=(other,)), keys.teacher))
    teacher.revoke(other, "wrong")
    run_log()
    _live(client_of, keys)
    _transport(client_of, keys, session, desk, other)
    assert feed.number(session)
    _work(session, keys)
    _people(session, keys)
    session.commit()


def _live(client_of, keys) -> None:
    """A token that let an agent in and one that waits; a session that ended and one that has beaten."""
    token, _ = (client_of(keys.admin).make_token("student")["token"] for _ in range(2))
    new = generate()
    client_of(new).enrol(token, "new", new.public_key())
    for _ in range(2):
        student = client_of(keys.student)
        open_session(student)
        student.beat()


def _transport(client_of, keys, session, desk, packet_id) -> None:
    client = client_of(keys.admin)
    client.tag(packet_id, "gold")
    upload = client.begin_upload(f"sha256:{'1' * 64}", 2**18)
    admin = Principal.of("root", Role.ADMIN, keys.admin.public_key())
    for offset, size in ((0, 2**17), (2**17, 2**16)):
        uploads.append(session, desk, uuid.UUID(upload["id"]), offset, b"p" * size, admin)
    idempotency.keep(session, "ada", "once", "what was asked", Answer(201, {"body": {}}))
    session.add(PendingBlob(sha256=f"sha256:{'2' * 64}"))
    session.flush()
    # A scan would have more to say about six random concepts.
    session.execute(text("UPDATE packets SET state = 'approved' WHERE name = 'acme/concepts'"))
    concepts.index_some(session, desk.store)
    assert session.scalar(text("SELECT count(*) FROM concept_vectors"))


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


def _people(session, keys) -> None:
    """Somebody signed in, and somebody who was let out again."""
    root = Principal.of("root", Role.ADMIN, keys.admin.public_key())
    carol, _ = accounts.add(session, "carol", PersonRole.OPERATOR, by=root)
    sign_ins.open_(session, carol, sign_ins.Terms(timedelta(hours=1), timedelta(hours=1)))
    accounts.add(session, "dave", PersonRole.VIEWER, by=root)
    accounts.disable(session, "dave", root.scope)


@pytest.fixture
def look(scene, session, keeper, seal_key):
    """The audit's report."""

    def run():
        session.expire_all()
        return audit(session, keeper, (seal_key,))

    return run
