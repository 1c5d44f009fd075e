"""The bytes of a packet: fail-closed in every state, and HTTP as RFC 9110 has it."""

from hashlib import sha256

import pytest
from sqlalchemy import update

from broker.api import content
from broker.models import PULLABLE, Packet, PacketState, Role
from broker.services import agents
from m2kt.errors import Forbidden, NotFound, NotPullable, PacketRevoked
from m2kt.signing import sign_packet
from m2kt.signing.http import content_digest
from m2kt.signing.keys import generate
from tests.broker.conftest import make_packet

pytestmark = pytest.mark.usefixtures("enrolled")


@pytest.fixture
def approved(client_of, keys, signed, run_scans) -> str:
    packet_id = client_of(keys.teacher).publish(signed)["packet_id"]
    run_scans()
    return packet_id


def test_every_state_but_approved_and_yanked_fails_closed(client_of, keys, signed, session, sign):
    packet_id = client_of(keys.teacher).publish(signed)["packet_id"]
    student = client_of(keys.student)
    answers = {}
    for state in PacketState:
        session.execute(update(Packet).values(state=state, reason="because"))
        session.commit()
        answers[state] = sign(keys.student, "GET", f"/v1/packets/{packet_id}/content").status_code
        if state == PacketState.REVOKED:
            with pytest.raises(PacketRevoked, match="because"):
                student.pull(packet_id)
        elif state not in PULLABLE:
            with pytest.raises(NotPullable, match="because"):
                student.pull(packet_id)
    assert answers == {
        "received": 409,
        "scanning": 409,
        "quarantined": 409,
        "approved": 200,
        "yanked": 200,
        "expired": 409,
        "rejected": 409,
        "revoked": 410,
    }


@pytest.mark.parametrize("header", ["If-None-Match", "Range"])
def test_no_header_opens_a_closed_packet(header, client_of, keys, signed, sign):
    told = client_of(keys.teacher).publish(signed)
    value = {"If-None-Match": f'"{told["content"]}"', "Range": "bytes=0-0"}[header]
    path = f"/v1/packets/{told['packet_id']}/content"
    assert sign(keys.student, "GET", path, headers={header: value}).status_code == 409


def test_content_needs_a_signed_request_of_a_role_that_may_pull(http, client_of, keys, approved, session):
    assert http.get(f"/v1/packets/{approved}/content").status_code == 401
    with pytest.raises(Forbidden):
        client_of(keys.teacher).pull(approved)
    auditor = generate()
    agents.register(session, keys.broker, "aud", Role.AUDITOR, auditor.public_key())
    session.commit()
    for key in (keys.student, keys.admin, auditor):
        assert client_of(key).pull(approved).packet.packet_id == approved


def test_an_unknown_packet_is_not_found(client_of, keys):
    with pytest.raises(NotFound):
        client_of(keys.student).fetch(f"sha256:{'0' * 64}")


def test_the_etag_is_the_digest_of_the_stored_bytes(keys, approved, signed, sign):
    path = f"/v1/packets/{approved}/content"
    answer = sign(keys.student, "GET", path)
    etag = f'"sha256:{sha256(signed).hexdigest()}"'
    assert answer.content == signed
    assert answer.headers["ETag"] == etag
    assert answer.headers["Content-Digest"] == content_digest(sha256(signed).digest())
    for listed in (etag, f'"other", W/{etag}', "*"):
        unchanged = sign(keys.student, "GET", path, headers={"If-None-Match": listed})
        assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert sign(keys.student, "GET", path, headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize(
    ("header", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=100-", 100, None),
        ("bytes=-7", -7, None),
        ("Bytes=0-999999", 0, None),
    ],
)
def test_a_range_is_answered_with_206_and_its_own_digest(header, start, stop, keys, approved, signed, sign):
    answer = sign(keys.student, "GET", f"/v1/packets/{approved}/content", headers={"Range": header})
    part = signed[start:stop]
    assert (answer.status_code, answer.content) == (206, part)
    first = len(signed) + start if start < 0 else start
    assert answer.headers["Content-Range"] == f"bytes {first}-{first + len(part) - 1}/{len(signed)}"
    assert answer.headers["Content-Digest"] == content_digest(sha256(part).digest())


def test_a_range_past_the_end_is_416(keys, approved, signed, sign):
    for header in (f"bytes={len(signed)}-", "bytes=-0"):
        answer = sign(keys.student, "GET", f"/v1/packets/{approved}/content", headers={"Range": header})
        assert answer.status_code == 416
        assert answer.headers["Content-Range"] == f"bytes */{len(signed)}"
        assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    "header", ["bytes=5-4", "bytes=a-b", "bytes=-", "lines=0-1", "bytes=0-1,3-4", "bytes=" + "9" * 30]
)
def test_a_range_that_is_none_is_ignored(header, keys, approved, signed, sign):
    answer = sign(keys.student, "GET", f"/v1/packets/{approved}/content", headers={"Range": header})
    assert (answer.status_code, answer.content) == (200, signed)


def test_a_range_of_a_former_version_of_the_bytes_gets_all_of_the_present_ones(keys, approved, signed, sign):
    path, former = f"/v1/packets/{approved}/content", {"Range": "bytes=0-0", "If-Range": '"former"'}
    assert sign(keys.student, "GET", path, headers=former).content == signed


def test_ranges_cross_the_borders_of_chunks(client_of, keys, run_scans, sign):
    import numpy as np

    tensors = {"anchors/states": np.random.default_rng(0).normal(size=(70, 1000)).astype(np.float32)}
    data = sign_packet(make_packet(tensors=tensors), keys.teacher)
    packet_id = client_of(keys.teacher).publish(data)["packet_id"]
    run_scans()
    border = 256 * 1024
    assert len(data) > border
    for start, stop in ((border - 1, border + 1), (border, border + 1), (0, border), (0, border + 5)):
        header = {"Range": f"bytes={start}-{stop - 1}"}
        answer = sign(keys.student, "GET", f"/v1/packets/{packet_id}/content", headers=header)
        assert answer.content == data[start:stop]


def test_large_packets_are_streamed_with_the_same_bytes_and_headers(keys, approved, signed, sign, monkeypatch):
    path = f"/v1/packets/{approved}/content"
    whole = sign(keys.student, "GET", path)
    monkeypatch.setattr(content, "AT_ONCE", 0)
    streamed = sign(keys.student, "GET", path)
    assert streamed.content == whole.content == signed
    assert dict(streamed.headers) | {"ratelimit": ""} == dict(whole.headers) | {"ratelimit": ""}
    assert streamed.headers["Content-Length"] == str(len(signed))
