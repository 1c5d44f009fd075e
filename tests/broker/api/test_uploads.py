"""Uploads in parts: every step may be lost, repeated, raced or lied about, and the state says what is true."""

import json
import random
from hashlib import sha256

import pytest
from sqlalchemy import func, select, text, update

from broker.models import Upload, UploadPart
from broker.services import uploads
from m2kt.client import uploads as sending
from m2kt.errors import BrokerAway
from m2kt.signing import sign_packet
from tests.broker.conftest import make_packet

pytestmark = pytest.mark.usefixtures("enrolled")

JSON = {"Content-Type": "application/json"}
STEP = uploads.MIN_PART_BYTES


@pytest.fixture
def large(keys) -> bytes:
    """A packet of a few parts."""
    import numpy as np

    tensors = {"anchors/states": np.random.default_rng().normal(size=(200, 300)).astype(np.float32)}
    return sign_packet(make_packet(tensors=tensors), keys.teacher)


@pytest.fixture
def begin(sign, keys):
    def call(data: bytes, key=None, **change):
        order = {"digest": f"sha256:{sha256(data).hexdigest()}", "length": len(data), **change}
        return sign(key or keys.teacher, "POST", "/v1/uploads", json.dumps(order).encode(), JSON)

    return call


@pytest.fixture
def append(sign, keys):
    def call(path: str, offset: object, part: bytes, key=None, **headers):
        told = {"Content-Type": "application/partial-upload", "Upload-Offset": str(offset), **headers}
        return sign(key or keys.teacher, "PATCH", path, part, told)

    return call


def test_parts_become_the_packet_that_one_post_would_have_made(begin, append, sign, keys, large, run_scans, client_of):
    begun = begin(large)
    path = begun.headers["Location"]
    assert (begun.status_code, begun.json()["state"], begun.headers["Upload-Offset"]) == (201, "open", "0")
    for at in range(0, len(large), STEP):
        told = append(path, at, large[at : at + STEP])
        assert told.status_code == 200, told.text
        assert int(told.headers["Upload-Offset"]) == told.json()["received"] == min(at + STEP, len(large))
    done = sign(keys.teacher, "POST", f"{path}/complete")
    assert done.status_code == 201, done.text
    again = sign(keys.teacher, "POST", f"{path}/complete")
    assert (again.status_code, again.json()["packet_id"]) == (200, done.json()["packet_id"])
    run_scans()
    assert client_of(keys.student).fetch(done.json()["packet_id"]) == large
    assert sign(keys.teacher, "GET", path).json()["state"] == "complete"
    assert sign(keys.teacher, "DELETE", path).status_code == 409
    assert append(path, len(large), b"x").status_code == 409


def test_a_part_at_another_offset_is_told_the_right_one(begin, append, large):
    path = begin(large).headers["Location"]
    append(path, 0, large[:STEP])
    for wrong in (0, 1, STEP - 1, STEP + 1, 2**63 - 1):
        answer = append(path, wrong, large[:STEP])
        assert (answer.status_code, answer.json()["code"]) == (409, "upload-offset")
        assert answer.headers["Upload-Offset"] == str(STEP)


@pytest.mark.parametrize("offset", ["-1", "x", str(2**63), "1e3", "0, 0", ""])
def test_an_offset_that_is_none_is_refused(offset, begin, append, large):
    assert append(begin(large).headers["Location"], offset, large[:STEP]).status_code == 422


def test_a_lost_answer_to_the_beginning_is_no_loss(begin, append, large):
    first = begin(large)
    append(first.headers["Location"], 0, large[:STEP])
    second = begin(large)
    assert (second.status_code, second.json()["id"], second.json()["received"]) == (200, first.json()["id"], STEP)
    assert begin(large, length=len(large) + 1).status_code == 409


def test_completing_too_early_says_what_is_missing(begin, append, sign, keys, large):
    path = begin(large).headers["Location"]
    append(path, 0, large[:STEP])
    answer = sign(keys.teacher, "POST", f"{path}/complete")
    assert (answer.status_code, answer.headers["Upload-Offset"]) == (409, str(STEP))


def test_bytes_that_are_not_those_announced_end_the_upload(begin, append, sign, keys, large, session):
    path = begin(large).headers["Location"]
    wrong = large[:-1] + bytes([large[-1] ^ 1])
    for at in range(0, len(large), STEP):
        append(path, at, wrong[at : at + STEP])
    answer = sign(keys.teacher, "POST", f"{path}/complete")
    assert (answer.status_code, answer.json()["code"]) == (422, "digest-mismatch")
    assert sign(keys.teacher, "GET", path).json()["state"] == "aborted"
    assert append(path, len(large), b"x").status_code == 410
    assert sign(keys.teacher, "POST", f"{path}/complete").status_code == 410
    assert begin(large).status_code == 201


def test_what_publishing_refuses_leaves_the_upload_open(begin, append, sign, keys, session):
    import numpy as np

    tensors = {"anchors/states": np.zeros((60, 300), np.float32)}
    data = sign_packet(make_packet(tensors=tensors), keys.stranger)
    path = begin(data).headers["Location"]
    for at in range(0, len(data), STEP):
        append(path, at, data[at : at + STEP])
    assert sign(keys.teacher, "POST", f"{path}/complete").status_code == 403
    assert sign(keys.teacher, "GET", path).json()["state"] == "open"


def test_parts_are_not_longer_than_the_rest_nor_tiny(begin, append, large):
    path = begin(large).headers["Location"]
    assert append(path, 0, large + b"x").status_code == 400
    assert append(path, 0, large[: STEP - 1]).status_code == 400
    assert append(path, 0, b"").status_code == 400
    assert append(path, 0, b"x" * (uploads.PART_BYTES + 1)).status_code == 413


def test_others_uploads_do_not_exist(begin, append, sign, keys, large):
    path = begin(large).headers["Location"]
    assert append(path, 0, large[:STEP], key=keys.admin).status_code == 404
    assert sign(keys.admin, "GET", path).status_code == 404
    assert sign(keys.student, "GET", path).status_code == 403
    assert begin(large, key=keys.student).status_code == 403


def test_what_would_be_too_long_is_refused_at_the_beginning(begin, large, settings):
    assert begin(large, length=settings.max_packet_bytes + 1).status_code == 413
    for length in (0, -1, 2**63, "1", 1.5):
        assert begin(large, length=length).status_code == 422
    for digest in ("sha256:abc", f"md5:{'0' * 64}", f"sha256:{'0' * 64}\n"):
        assert begin(large, digest=digest).status_code == 422


def test_an_agent_has_a_limited_number_of_open_uploads(begin, keys):
    for number in range(uploads.MAX_OPEN):
        assert begin(b"%d" % number).status_code == 201
    assert begin(b"one more").json()["code"] == "quota-exceeded"
    assert begin(b"0").status_code == 200
    assert begin(b"one more", key=keys.admin).status_code == 201


def test_what_was_given_up_or_forgotten_leaves_nothing(begin, append, sign, keys, large, session, desk):
    path = begin(large).headers["Location"]
    append(path, 0, large[:STEP])
    assert [sign(keys.teacher, "DELETE", path).status_code for _ in range(2)] == [204, 204]
    late = begin(large).headers["Location"]
    append(late, 0, large[:STEP])
    session.execute(update(Upload).where(Upload.state == "open").values(expires=text("now() - interval '1 s'")))
    assert uploads.expire(session) == 1
    session.expire_all()
    assert append(late, STEP, large[STEP : 2 * STEP]).json()["code"] == "upload-gone"
    assert uploads.clear(session, desk.store) == 2
    assert session.scalar(select(func.count()).select_from(UploadPart)) == 0
    session.execute(update(Upload).values(expires=text("now() - interval '1 s'")))
    uploads.forget(session)
    assert session.scalar(select(func.count()).select_from(Upload)) == 0


def test_a_replay_of_a_part_that_arrived_is_answered_with_the_right_offset(begin, append, large):
    path = begin(large).headers["Location"]
    assert append(path, 0, large[:STEP]).status_code == 200
    assert append(path, 0, large[:STEP]).headers["Upload-Offset"] == str(STEP)


def test_the_client_goes_on_after_broken_connections(client_of, keys, large, monkeypatch):
    monkeypatch.setattr(uploads, "PART_BYTES", STEP)
    monkeypatch.setattr(sending, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(sending, "ATTEMPTS", None)
    client = client_of(keys.teacher)
    send, calls, dice = client._transport.send, [], random.Random(5)

    def flaky(method, path, **arguments):
        """Half of the requests or answers are lost."""
        calls.append((method, path))
        fate = dice.random()
        if fate < 0.25:
            raise BrokerAway("lost on the way there")
        answer = send(method, path, **arguments)
        if fate > 0.75:
            raise BrokerAway("lost on the way back")
        return answer

    monkeypatch.setattr(client._transport, "send", flaky)
    told = sending.publish(client._transport, large, at_once=0)
    assert told["size"] == len(large)
    assert len([each for each in calls if each[0] == "PATCH"]) > len(large) // STEP


def test_what_was_interrupted_on_its_way_at_once_goes_on_in_parts(client_of, keys, large, monkeypatch):
    client, sent = client_of(keys.teacher), []
    send = client._transport.send

    def interrupted(method, path, **arguments):
        sent.append((method, path))
        if path == "/v1/packets":
            raise BrokerAway("the connection broke")
        return send(method, path, **arguments)

    monkeypatch.setattr(client._transport, "send", interrupted)
    monkeypatch.setattr(sending, "SMALL", 0)
    assert sending.publish(client._transport, large)["size"] == len(large)
    assert sent.count(("POST", "/v1/packets")) == 1
    assert any(method == "PATCH" for method, _ in sent)
