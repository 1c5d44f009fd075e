"""Channels: signed heads, moved by one at a time, that nobody can hold back or turn back unseen."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError

from broker.models import Channel, ChannelHead, Packet, PacketState, Role
from broker.services import agents, channels
from m2kt.client import Client, LogRules
from m2kt.errors import (
    ChannelFrozen,
    ChannelRolledBack,
    ChannelUnusable,
    Conflict,
    Forbidden,
    NotFound,
    NotLogged,
    NotPullable,
    PreconditionFailed,
    PreconditionRequired,
    SignatureError,
    UsageError,
)
from m2kt.log import Memory
from m2kt.signing import TrustStore, sign_packet
from m2kt.signing.keys import generate
from tests.broker.conftest import URL, make_packet

pytestmark = pytest.mark.usefixtures("enrolled")

NAME = "acme/chains"


@pytest.fixture
def versions(client_of, keys, run_scans) -> list[str]:
    """Ids of the approved versions 1.0.0, 1.1.0 and 2.0.0-rc.1."""
    found = [
        client_of(keys.teacher).publish(sign_packet(make_packet(NAME, each), keys.teacher))["packet_id"]
        for each in ("1.0.0", "1.1.0", "2.0.0-rc.1")
    ]
    run_scans()
    return found


@pytest.fixture
def teacher(client_of, keys):
    return client_of(keys.teacher)


@pytest.fixture
def stable(teacher, versions, run_log):
    """The channel stable, at 1.0.0."""
    found = teacher.move_channel(NAME, "stable", version="1.0.0", etag=None)
    run_log()
    return found


@pytest.fixture
def student(transport, keys, tmp_path):
    trust = TrustStore([keys.broker.public_key(), keys.teacher.public_key()])
    return Client(URL, keys.student, trust, transport, LogRules(memory=Memory(tmp_path), wait_seconds=0.0))


def test_a_student_follows_a_channel_that_its_publisher_moves(student, teacher, stable, versions, run_log):
    head = student.channel(NAME, "stable")
    assert (head.packet_id, head.version, head.serial, head.by) == (versions[0], "1.0.0", 1, "ada")
    assert timedelta(days=6) < head.expires - datetime.now(UTC) <= timedelta(days=7)
    teacher.move_channel(NAME, "stable", version="1.1.0", etag=teacher.channel_etag(NAME, "stable"))
    run_log()
    head = student.channel(NAME, "stable")
    assert (head.packet_id, head.serial) == (versions[1], 2)
    assert student.pull(head.packet_id)
    assert [each["serial"] for each in student.channel_heads()] == [1, 2]


def test_a_version_can_be_taken_back_by_moving_the_channel_back(student, teacher, stable, versions, run_log):
    teacher.move_channel(NAME, "stable", packet_id=versions[1], etag="*")
    teacher.move_channel(NAME, "stable", packet_id=versions[0], etag="*")
    run_log()
    assert (student.channel(NAME, "stable").version, student.channel(NAME, "stable").serial) == ("1.0.0", 3)


def test_of_two_movers_one_wins_and_nobody_moves_blindly(teacher, stable, sign, keys):
    seen = teacher.channel_etag(NAME, "stable")
    teacher.move_channel(NAME, "stable", version="1.1.0", etag=seen)
    with pytest.raises(PreconditionFailed, match=r"moved on, to 1\.1\.0"):
        teacher.move_channel(NAME, "stable", version="2.0.0-rc.1", etag=seen)
    with pytest.raises(PreconditionFailed, match="is there already"):
        teacher.move_channel(NAME, "stable", version="2.0.0-rc.1", etag=None)
    with pytest.raises(PreconditionFailed, match="not there yet"):
        teacher.move_channel(NAME, "canary", version="2.0.0-rc.1", etag=seen)
    path, body = f"/v1/channels/{NAME}/stable", b'{"version": "1.1.0"}'
    told = {"Content-Type": "application/json"}
    answer = sign(keys.teacher, "PUT", path, body, told)
    assert (answer.status_code, answer.json()["code"]) == (428, PreconditionRequired.code)
    both = {**told, "If-Match": "*", "If-None-Match": "*"}
    assert sign(keys.teacher, "PUT", path, body, both).status_code == 428
    assert sign(keys.teacher, "PUT", path, body, {**told, "If-None-Match": '"x"'}).status_code == 400
    assert next(teacher.channels(name=NAME))["version"] == "1.1.0"


def test_etag_and_if_none_match(http, stable):
    answer = http.get(f"/v1/channels/{NAME}/stable")
    assert http.get(f"/v1/channels/{NAME}/stable", headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304
    listed = http.get("/v1/channels").json()["items"]
    assert [(each["etag"], each["fault"]) for each in listed] == [(answer.headers["ETag"], None)]


def test_only_the_names_first_publisher_and_administrators_move_its_channels(client_of, keys, session, stable):
    eve = generate()
    agents.register(session, keys.broker, "eve", Role.TEACHER, eve.public_key())
    session.commit()
    with pytest.raises(Forbidden, match="ada, who published its first packet"):
        client_of(eve).move_channel(NAME, "stable", version="1.1.0", etag="*")
    with pytest.raises(Forbidden):
        client_of(keys.student).move_channel(NAME, "stable", version="1.1.0", etag="*")
    assert client_of(keys.admin).move_channel(NAME, "stable", version="1.1.0", etag="*")["by"] == "root"


def test_a_channel_leads_to_approved_packets_of_its_name_only(client_of, keys, teacher, stable, run_scans):
    other = teacher.publish(sign_packet(make_packet("acme/other"), keys.teacher))["packet_id"]
    run_scans()
    with pytest.raises(Conflict, match="no version of acme/chains"):
        teacher.move_channel(NAME, "stable", packet_id=other, etag="*")
    fresh = teacher.publish(sign_packet(make_packet(NAME, "3.0.0"), keys.teacher))["packet_id"]
    with pytest.raises(NotPullable, match="received"):
        teacher.move_channel(NAME, "stable", packet_id=fresh, etag="*")
    with pytest.raises(NotFound, match=r"acme/chains@9\.9\.9"):
        teacher.move_channel(NAME, "stable", version="9.9.9", etag="*")
    with pytest.raises(NotFound, match="no packet named"):
        teacher.move_channel("acme/none", "stable", version="1.0.0", etag=None)
    with pytest.raises(NotFound):
        teacher.move_channel(NAME, "stable", packet_id=f"sha256:{'0' * 64}", etag="*")
    with pytest.raises(UsageError, match="always the highest"):
        teacher.move_channel(NAME, "latest", version="1.0.0", etag=None)
    assert [each["channel"] for each in teacher.channels()] == ["stable"]  # refused moves leave no channel behind


def test_a_channels_name_is_a_word(http, sign, keys):
    body, headers = b'{"version": "1.0.0"}', {"Content-Type": "application/json", "If-None-Match": "*"}
    for channel in ("Stable", "-x", "a" * 33, "st%20able", "%00", "%C3%A9"):
        path = f"/v1/channels/{NAME}/{channel}"
        assert http.get(path).status_code == 422
        assert sign(keys.teacher, "PUT", path, body, headers).status_code == 422


WRONG = [
    b"{}",
    b'{"version": "1.0.0", "packet_id": "sha256:' + b"0" * 64 + b'"}',
    b'{"version": "one"}',
    b'{"version": "1.0.0\\u0000"}',
    b'{"version": 1}',
    b'{"version": "1.0.0", "force": true}',
    b"\xff",
    b"[]",
]


def test_an_order_that_is_none_is_refused(sign, keys):
    headers = {"Content-Type": "application/json", "If-None-Match": "*"}
    for body in WRONG:
        assert sign(keys.teacher, "PUT", f"/v1/channels/{NAME}/stable", body, headers).status_code in (400, 422)


def test_a_head_whose_packet_went_bad_is_not_served_as_good(
    client_of, keys, teacher, stable, versions, session, student
):
    teacher.revoke(versions[0], "wrong")
    with pytest.raises(ChannelUnusable, match=r"leads to 1\.0\.0, and packet .* was revoked: wrong"):
        student.channel(NAME, "stable")
    assert "revoked" in next(teacher.channels())["fault"]
    for state in (PacketState.YANKED, PacketState.EXPIRED, PacketState.QUARANTINED):
        session.execute(update(Packet).where(Packet.packet_id == versions[0]).values(state=state, reason="x"))
        session.commit()
        with pytest.raises(ChannelUnusable):
            student.channel(NAME, "stable")
    values = {"state": PacketState.APPROVED, "good_until": datetime.now(UTC) - timedelta(seconds=1)}
    session.execute(update(Packet).where(Packet.packet_id == versions[0]).values(**values))
    session.commit()
    with pytest.raises(ChannelUnusable, match="good until"):
        student.channel(NAME, "stable")
    teacher.move_channel(NAME, "stable", version="1.1.0", etag=teacher.channel_etag(NAME, "stable"))
    assert next(teacher.channels())["fault"] is None


def _unguard(session) -> None:
    session.execute(text("ALTER TABLE channel_heads DISABLE TRIGGER USER"))


def test_a_broker_that_shows_an_old_head_again_is_found_out(student, teacher, stable, versions, session, run_log):
    teacher.move_channel(NAME, "stable", version="1.1.0", etag="*")
    run_log()
    assert student.channel(NAME, "stable").serial == 2
    session.execute(update(Channel).values(serial=1))
    session.commit()
    with pytest.raises(ChannelRolledBack, match="was at 2, not 1"):
        student.channel(NAME, "stable")


def test_another_head_with_the_same_serial_is_found_out(student, stable, versions, session, keys, run_log):
    student.channel(NAME, "stable")
    _unguard(session)
    session.execute(update(Channel).values(serial=0))
    session.execute(text("DELETE FROM channel_heads"))
    session.commit()
    session.expire_all()
    channel = session.scalars(select(Channel)).one()
    packet = session.get(Packet, versions[1])
    channels._write(session, keys.broker, channel, packet, timedelta(days=7), "ada")
    session.commit()
    run_log()
    with pytest.raises(ChannelRolledBack, match="head 1 of"):
        student.channel(NAME, "stable")


def test_a_head_that_nobody_renewed_is_frozen(student, stable, client_of, transport, keys):
    later = datetime.now(UTC).timestamp() + 8 * 86400
    rules = LogRules(clock=lambda: later, max_age=10**9, wait_seconds=0.0)
    trust = TrustStore([keys.broker.public_key()])
    with pytest.raises(ChannelFrozen, match="was good until"):
        Client(URL, None, trust, transport, rules).channel(NAME, "stable")


def test_the_broker_itself_serves_no_head_that_has_ended(stable, session, student):
    _unguard(session)
    session.execute(update(ChannelHead).values(expires=datetime.now(UTC) - timedelta(seconds=1)))
    session.commit()
    with pytest.raises(ChannelUnusable, match="was good until"):
        student.channel(NAME, "stable")


def test_heads_are_renewed_at_half_their_life_unless_their_packet_is_bad(
    student, teacher, stable, versions, session, keys, run_log
):
    teacher.move_channel(NAME, "canary", version="1.1.0", etag=None)
    life = timedelta(days=7)
    assert channels.renew(session, keys.broker, life) == 0
    _unguard(session)
    session.execute(update(ChannelHead).values(expires=datetime.now(UTC) + timedelta(days=3)))
    session.commit()
    teacher.revoke(versions[1], "wrong")
    assert channels.renew(session, keys.broker, life) == 1
    session.commit()
    run_log()
    head = student.channel(NAME, "stable")
    assert (head.serial, head.version, head.by) == (2, "1.0.0", channels.RENEWER)
    assert channels.renew(session, keys.broker, life) == 0


def test_a_head_that_is_not_in_the_log_or_anothers_is_refused(student, teacher, versions, session, run_log):
    teacher.move_channel(NAME, "stable", version="1.0.0", etag=None)
    with pytest.raises(NotLogged, match="the head of acme/chains stable"):
        student.channel(NAME, "stable")
    run_log()
    assert student.channel(NAME, "stable")
    session.execute(update(Channel).values(channel="canary"))
    session.commit()
    with pytest.raises(SignatureError, match="'stable' of 'acme/chains'"):
        student.channel(NAME, "canary")
    with pytest.raises(NotFound, match="no channel stable"):
        student.channel(NAME, "stable")


def test_heads_can_be_neither_changed_nor_deleted(session, stable):
    for statement in ("UPDATE channel_heads SET version = 'x'", "DELETE FROM channel_heads"):
        with pytest.raises(DBAPIError, match="append-only"), session.begin_nested():
            session.execute(text(statement))


def test_channels_page_by_keyset(http, teacher, versions):
    for each in ("stable", "canary", "x1"):
        teacher.move_channel(NAME, each, version="1.0.0", etag=None)
    path, seen = "/v1/channels?limit=1", []
    while path:
        answer = http.get(path)
        seen += [each["channel"] for each in answer.json()["items"]]
        path = answer.links.get("next", {}).get("url")
    assert seen == ["stable", "canary", "x1"]


def test_latest_is_the_highest_approved_and_exact_finds_any(teacher, versions, http):
    assert teacher.latest(NAME)["version"] == "1.1.0"
    assert teacher.latest(NAME, pre=True)["version"] == "2.0.0-rc.1"
    teacher.revoke(versions[1], "wrong")
    assert teacher.latest(NAME)["version"] == "1.0.0"
    teacher.revoke(versions[0], "wrong")
    assert teacher.latest(NAME)["version"] == "2.0.0-rc.1"  # there is nothing else
    teacher.revoke(versions[2], "wrong")
    with pytest.raises(NotFound, match="no version of acme/chains is approved"):
        teacher.latest(NAME)
    assert teacher.version(NAME, "1.0.0")["state"] == "revoked"
    with pytest.raises(NotFound):
        teacher.version(NAME, "1.0.1")
    assert http.get(f"/v1/names/{NAME}/versions/one").status_code == 422
