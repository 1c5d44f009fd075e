"""Yanked: exact pulls go on with a warning, and nobody is led there."""

import base64
import itertools

import pytest

from m2kt.client import Client
from m2kt.client.client import warning_text
from m2kt.client.predicates import OUTCOME, STATE
from m2kt.errors import ChannelUnusable, Conflict, Forbidden, NotFound, NotPullable, PacketRevoked
from m2kt.signing import TrustStore, sign_packet
from m2kt.signing.statement import attest, read_attestation
from tests.broker.conftest import URL, make_packet

pytestmark = pytest.mark.usefixtures("enrolled")

REASON = 'read "the\\notes" — ünïcode'


@pytest.fixture
def approved(client_of, keys, signed, run_scans) -> str:
    packet_id = client_of(keys.teacher).publish(signed)["packet_id"]
    run_scans()
    return packet_id


def test_a_yanked_packet_is_pulled_by_its_id_with_a_warning(client_of, keys, approved, transport, sign):
    assert client_of(keys.teacher).yank(approved, REASON)["state"] == "yanked"
    heard: list[str] = []
    trust = TrustStore([keys.broker.public_key(), keys.teacher.public_key()])
    assert Client(URL, keys.student, trust, transport, warn=heard.append).pull(approved)
    assert heard == [f'packet {approved}: yanked: read "the\\notes" \\u2014 \\xfcn\\xefcode']
    for headers in ({}, {"Range": "bytes=0-9"}, {"If-None-Match": "*"}):
        answer = sign(keys.student, "GET", f"/v1/packets/{approved}/content", headers=headers)
        assert answer.headers["Warning"].startswith('299 m2kt "yanked: read ')
    assert client_of(keys.student).report_outcome(attest(approved, OUTCOME, {"decision": "accepted"}, keys.student))


def test_nobody_is_led_to_a_yanked_packet(client_of, keys, approved, run_scans, run_log):
    teacher = client_of(keys.teacher)
    teacher.publish(sign_packet(make_packet(version="0.9.0"), keys.teacher))
    run_scans()
    teacher.move_channel("acme/chains", "stable", version="1.0.0", etag=None)
    teacher.yank(approved, "worse than 0.9.0")
    run_log()
    assert [each["version"] for each in teacher.list()] == ["0.9.0"]
    assert [each["version"] for each in teacher.list(yanked=True)] == ["0.9.0", "1.0.0"]
    assert [each["version"] for each in teacher.list(state="yanked")] == ["1.0.0"]
    assert [each["version"] for each in teacher.versions("acme/chains")] == ["0.9.0"]
    assert len(teacher.versions("acme/chains", yanked=True)) == 2
    assert teacher.latest("acme/chains")["version"] == "0.9.0"
    assert teacher.version("acme/chains", "1.0.0")["state"] == "yanked"
    with pytest.raises(ChannelUnusable, match=r"leads to 1\.0\.0, and packet .* was yanked: worse"):
        client_of(keys.student).channel("acme/chains", "stable")
    with pytest.raises(NotPullable, match="was yanked"):
        teacher.move_channel("acme/chains", "stable", version="1.0.0", etag="*")


def test_yanking_is_signed_can_be_taken_back_and_repeating_changes_nothing(client_of, keys, approved, http):
    teacher = client_of(keys.teacher)
    for _ in range(2):
        teacher.yank(approved, "wrong")
    for _ in range(2):
        teacher.unyank(approved, "it was right")
    client_of(keys.admin).yank(approved, "wrong after all")
    trust = TrustStore([keys.broker.public_key()])
    said = [
        read_attestation(base64.b64decode(each["envelope"]), trust, STATE).predicate
        for each in teacher.attestations(approved)
        if each["predicate_type"] == STATE
    ]
    assert [(each["from"], each["to"], each["by"]) for each in said[2:]] == [
        ("approved", "yanked", "ada"),
        ("yanked", "approved", "ada"),
        ("approved", "yanked", "root"),
    ]
    assert [each["detail"]["state"] for each in teacher.feed(0)["items"][3:]] == ["yanked", "approved", "yanked"]


def test_only_its_own_people_yank_and_only_what_is_approved(client_of, keys, approved, signed, sign):
    for call in (client_of(keys.student).yank, client_of(keys.student).unyank):
        with pytest.raises(Forbidden):
            call(approved, "mine")
    teacher = client_of(keys.teacher)
    fresh = teacher.publish(sign_packet(make_packet(version="2.0.0"), keys.teacher))["packet_id"]
    for call in (teacher.yank, teacher.unyank):
        with pytest.raises(Conflict):
            call(fresh, "too early")
        with pytest.raises(NotFound):
            call(f"sha256:{'0' * 64}", "none")
    teacher.revoke(approved, "wrong")
    with pytest.raises(Conflict, match="revoked"):
        teacher.unyank(approved, "back")
    with pytest.raises(PacketRevoked):
        client_of(keys.student).pull(approved)


WRONG = (
    b"{}",
    b'{"reason": ""}',
    b'{"reason": "a\\nb"}',
    b'{"reason": "\\u0000"}',
    b'{"reason": "\\ud800"}',
    b"[]",
    b"{",
)


def test_a_reason_is_one_line_of_text(sign, keys, approved):
    headers = {"Content-Type": "application/json"}
    for verb, body in itertools.product(("yank", "unyank"), WRONG):
        answer = sign(keys.teacher, "POST", f"/v1/packets/{approved}/{verb}", body, headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "usage")


def test_a_warning_that_is_none_is_shown_as_it_is():
    assert warning_text("nonsense") == "nonsense"
    assert warning_text('299 m2kt "a \\"b\\" \\\\ c"') == 'a "b" \\ c'
