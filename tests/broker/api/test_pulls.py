"""Who had a packet's bytes is on record before they leave."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from broker.models import Pull
from m2kt.errors import Forbidden, NotPullable, PacketRevoked
from m2kt.signing import sign_packet
from tests.broker.conftest import make_packet

pytestmark = pytest.mark.usefixtures("enrolled")


@pytest.fixture
def packet_id(client_of, keys, signed, run_scans):
    found = client_of(keys.teacher).publish(signed)["packet_id"]
    run_scans()
    return found


@pytest.fixture
def signed_get(sign, keys):
    return lambda path, headers=None: sign(keys.student, "GET", path, headers=headers)


def on_record(session):
    session.expire_all()
    return [(each.packet_id, each.agent, each.day) for each in session.scalars(select(Pull).order_by(Pull.id))]


def test_who_pulled_is_noted_once_a_day(client_of, keys, packet_id, session):
    student = client_of(keys.student)
    for _ in range(3):
        student.pull(packet_id)
    today = datetime.now(UTC).date()
    assert on_record(session) == [(packet_id, "stu", today)]
    (told,) = client_of(keys.teacher).pulls(packet_id)
    assert (told["agent"], told["day"]) == ("stu", today.isoformat())


def test_another_day_and_another_agent_are_rows_of_their_own(client_of, keys, packet_id, session):
    session.execute(
        text("INSERT INTO pulls (packet_id, agent, day) VALUES (:p, 'stu', '2026-01-01')"), {"p": packet_id}
    )
    session.commit()
    client_of(keys.student).pull(packet_id)
    client_of(keys.admin).pull(packet_id)
    assert [agent for _, agent, _ in on_record(session)] == ["stu", "stu", "root"]


def test_a_part_of_the_bytes_is_a_pull_and_none_of_them_is_not(signed_get, packet_id, session):
    path = f"/v1/packets/{packet_id}/content"
    etag = signed_get(path).headers["ETag"]
    session.execute(text("TRUNCATE pulls"))
    session.commit()
    assert signed_get(path, {"If-None-Match": etag}).status_code == 304
    assert signed_get(path, {"Range": "bytes=999999999-"}).status_code == 416
    assert on_record(session) == []
    assert signed_get(path, {"Range": "bytes=0-9"}).status_code == 206
    assert len(on_record(session)) == 1


def test_who_was_refused_had_nothing(client_of, keys, packet_id, session):
    teacher, student = client_of(keys.teacher), client_of(keys.student)
    waiting = teacher.publish(sign_packet(make_packet("acme/waiting"), keys.teacher))["packet_id"]
    with pytest.raises(NotPullable):
        student.pull(waiting)
    with pytest.raises(Forbidden):
        teacher.pull(packet_id)
    teacher.revoke(packet_id, "wrong")
    with pytest.raises(PacketRevoked):
        student.pull(packet_id)
    assert on_record(session) == []


def test_nothing_leaves_when_it_cannot_be_noted(signed_get, packet_id, session):
    session.execute(text("CREATE TRIGGER full_up BEFORE INSERT ON pulls FOR EACH ROW EXECUTE FUNCTION refuse_change()"))
    session.commit()
    answer = signed_get(f"/v1/packets/{packet_id}/content")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_row_is_neither_changed_nor_taken_away(client_of, keys, packet_id, session):
    client_of(keys.student).pull(packet_id)
    for change in ("UPDATE pulls SET agent = 'nobody'", "DELETE FROM pulls"):
        with pytest.raises(DBAPIError, match="append-only"):
            session.execute(text(change))
        session.rollback()


def test_a_student_does_not_learn_who_else_pulled(client_of, keys, packet_id):
    with pytest.raises(Forbidden):
        list(client_of(keys.student).pulls(packet_id))


def test_pages_go_on_where_the_last_one_ended(client_of, keys, packet_id, session):
    values = {"p": packet_id}
    session.execute(
        text(
            "INSERT INTO pulls (packet_id, agent, day) "
            "SELECT :p, 'agent-' || each, '2026-01-01' FROM generate_series(1, 205) AS each"
        ),
        values,
    )
    session.commit()
    found = [each["agent"] for each in client_of(keys.teacher).pulls(packet_id)]
    assert found == [f"agent-{each}" for each in range(1, 206)]
