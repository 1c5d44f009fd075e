"""What publishing decides beyond its answer."""

import psycopg
import pytest
from sqlalchemy import func, select, update

from broker.db import Single, make_engine, make_sessions
from broker.models import Attestation, Blob, FeedEvent, Job, JobState, LogLeaf, Outbox, Packet, PacketSignature
from m2kt.errors import Conflict, DigestMismatch
from m2kt.signing import sign_packet
from tests.broker.conftest import make_packet

pytestmark = pytest.mark.usefixtures("enrolled")


def states(session):
    return list(session.scalars(select(Job.state).order_by(Job.seq)))


def test_publishing_again_repeats_a_scan_that_died_and_only_then(client_of, keys, signed, session, run_scans):
    teacher = client_of(keys.teacher)
    teacher.publish(signed)
    teacher.publish(signed)
    assert states(session) == ["queued"]
    session.execute(update(Job).values(state=JobState.DEAD))
    session.commit()
    teacher.publish(signed)
    assert states(session) == ["dead", "queued"]
    run_scans()
    assert teacher.publish(signed)["state"] == "approved"
    assert states(session) == ["dead", "succeeded"]


def counted(session):
    tables = (Packet, PacketSignature, Attestation, LogLeaf, FeedEvent, Job, Outbox, Blob)
    return [session.scalar(select(func.count()).select_from(each)) for each in tables]


def test_tensors_that_nobody_signed_leave_nothing_behind(client_of, keys, signed, session):
    before, teacher = counted(session), client_of(keys.teacher)
    other = bytearray(signed)
    other[-1] ^= 1
    with pytest.raises(DigestMismatch, match=r"^table:"):
        teacher.publish(bytes(other))
    assert counted(session) == before
    assert teacher.publish(signed)["state"] == "received"
    assert [now - then for now, then in zip(counted(session), before, strict=True)] == [1, 1, 1, 2, 1, 1, 1, 1]


def test_a_version_that_is_taken_leaves_nothing_of_the_second_packet(client_of, keys, session):
    teacher = client_of(keys.teacher)
    teacher.publish(sign_packet(make_packet(), keys.teacher))
    before = counted(session)
    with pytest.raises(Conflict, match="already"):
        teacher.publish(sign_packet(make_packet(), keys.teacher))
    assert counted(session) == before


def test_a_connection_that_made_each_statement_a_transaction_makes_none_of_the_next_ones_so(migrated_engine):
    engine = make_engine(migrated_engine.url.render_as_string(hide_password=False))
    sessions = make_sessions(engine)
    single = Single(sessions, engine)
    with single.connection() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    with pytest.raises(psycopg.errors.SyntaxError), single.connection() as connection:
        connection.execute("nonsense")
    for _ in range(2):
        with sessions() as session:
            session.execute(Outbox.__table__.insert().values(topic="none", body={}))
            session.rollback()
        with single.connection() as connection:
            assert connection.execute("SELECT count(*) FROM outbox WHERE topic = 'none'").fetchone() == (0,)
    engine.dispose()
