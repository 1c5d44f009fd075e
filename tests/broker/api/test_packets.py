"""Publishing, listing and revoking, over HTTP."""

import pytest
from sqlalchemy import func, select

from broker.models import Blob, Job, Packet, PacketSignature, Role
from broker.services import agents
from m2kt.errors import (
    Conflict,
    ContainerError,
    DigestMismatch,
    Forbidden,
    ManifestError,
    NotFound,
    SignatureError,
    TensorError,
    TooLarge,
    UnknownKey,
)
from m2kt.packet import read_packet
from m2kt.packet.container import MAGIC
from m2kt.signing import add_signature, sign_packet
from m2kt.signing.keys import generate
from tests.broker.conftest import make_packet

pytestmark = pytest.mark.usefixtures("enrolled")


def test_a_published_packet_is_pulled_once_a_scan_has_approved_it(client_of, keys, signed, run_scans):
    told = client_of(keys.teacher).publish(signed)
    assert told["state"] == "received"
    run_scans()
    pulled = client_of(keys.student).pull(told["packet_id"])
    assert pulled.packet.packet_id == read_packet(signed).packet_id


def test_publishing_again_changes_nothing_and_answers_200(http, client_of, keys, signed, session, sign):
    first = sign(keys.teacher, "POST", "/v1/packets", signed)
    again = sign(keys.teacher, "POST", "/v1/packets", signed)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.headers["Location"] == f"/v1/packets/{first.json()['packet_id']}"
    assert first.json() == again.json()
    assert session.scalar(select(func.count()).select_from(Job)) == 1


def test_a_second_valid_signature_is_added_and_changes_the_content_but_not_the_id(client_of, keys, session):
    second = generate()
    agents.register(session, keys.broker, "bob", Role.TEACHER, second.public_key())
    session.commit()
    packet = make_packet()
    before = client_of(keys.teacher).publish(sign_packet(packet, keys.teacher))
    after = client_of(second).publish(sign_packet(packet, second))
    assert after["packet_id"] == before["packet_id"]
    assert after["content"] != before["content"]
    assert len(after["signatures"]) == 2
    assert session.scalar(select(func.count()).select_from(Blob)) == 1
    assert client_of(keys.teacher).publish(add_signature(sign_packet(packet, keys.teacher), second)) == after


def test_an_invalid_signature_on_a_known_packet_changes_nothing(client_of, keys, session):
    packet = make_packet()
    before = client_of(keys.teacher).publish(sign_packet(packet, keys.teacher))
    with pytest.raises(UnknownKey):
        client_of(keys.teacher).publish(sign_packet(packet, keys.stranger))
    assert client_of(keys.teacher).show(before["packet_id"])["content"] == before["content"]
    assert session.scalar(select(func.count()).select_from(PacketSignature)) == 1


def test_a_name_and_version_belong_to_their_first_packet(client_of, keys):
    client_of(keys.teacher).publish(sign_packet(make_packet(), keys.teacher))
    with pytest.raises(Conflict, match=r"acme/chains@1\.0\.0 is packet sha256:"):
        client_of(keys.teacher).publish(sign_packet(make_packet(), keys.teacher))


def test_a_packet_signed_by_a_student_is_refused(client_of, keys):
    with pytest.raises(UnknownKey):
        client_of(keys.admin).publish(sign_packet(make_packet(), keys.student))


def test_a_packet_signed_by_a_revoked_key_is_refused(client_of, keys, signed, session):
    agents.revoke(session, keys.broker, "ada")
    session.commit()
    with pytest.raises(UnknownKey):
        client_of(keys.admin).publish(signed)


def test_a_student_may_not_publish(client_of, keys, signed):
    with pytest.raises(Forbidden):
        client_of(keys.student).publish(signed)


def test_a_flipped_byte_in_any_part_is_refused(client_of, keys, signed, session):
    at = len(MAGIC)
    spots = [3]
    for _ in range(3):  # envelope, manifest, tensors: the length, the first bytes, the middle, the last
        length = int.from_bytes(signed[at : at + 8], "little")
        spots += [at, at + 8, at + 8 + length // 2, at + 7 + length]
        at += 8 + length
    client = client_of(keys.teacher)
    for spot in spots:
        broken = bytearray(signed)
        broken[spot] ^= 1
        with pytest.raises((ContainerError, SignatureError, ManifestError, TensorError, DigestMismatch, TooLarge)):
            client.publish(bytes(broken))
    assert session.scalar(select(func.count()).select_from(Packet)) == 0


@pytest.mark.parametrize("spot", ["envelope", "manifest", "tensors"])
def test_a_refusal_is_a_problem_with_a_stable_type(spot, keys, signed, sign):
    at = signed.index({"envelope": b"payload", "manifest": b'"kind":"anchors"', "tensors": b'"data_offsets"'}[spot])
    answer = sign(keys.teacher, "POST", "/v1/packets", signed[:at] + b"x" + signed[at + 1 :])
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == answer.status_code == 422
    assert problem["type"] == f"urn:m2kt:error:{problem['code']}"
    assert problem["hint"]
    assert problem["detail"]


def test_a_tensor_with_nan_is_refused(client_of, keys):
    data = sign_packet(make_packet(), keys.teacher)
    spoilt = data[:-4] + b"\x00\x7e\x00\x7e"  # two half-precision NaNs
    with pytest.raises(TensorError, match="NaN"):
        client_of(keys.teacher).publish(spoilt)


def test_a_path_like_name_is_refused(keys, signed, sign):
    answer = sign(keys.teacher, "POST", "/v1/packets", signed.replace(b'"acme/chains"', b'"../../chain"'))
    assert answer.status_code == 422


@pytest.mark.parametrize("body", [b"", b"x", MAGIC, MAGIC + b"\xff" * 24])
def test_what_is_no_packet_is_refused(body, keys, sign):
    answer = sign(keys.teacher, "POST", "/v1/packets", body)
    assert answer.status_code in (413, 422)
    assert answer.json()["code"] in ("container-invalid", "too-large")


def test_lists_page_by_keyset_and_filter(client_of, keys, http):
    for version in range(5):
        packet = make_packet(version=f"1.0.{version}")
        client_of(keys.teacher).publish(sign_packet(packet, keys.teacher))
    client_of(keys.teacher).publish(sign_packet(make_packet("acme/other"), keys.teacher))
    first = http.get("/v1/packets", params={"limit": 2, "name": "acme/chains"})
    assert [each["version"] for each in first.json()["items"]] == ["1.0.4", "1.0.3"]
    assert 'rel="next"' in first.headers["Link"]
    client_of(keys.teacher).publish(sign_packet(make_packet(version="2.0.0"), keys.teacher))
    second = http.get(first.links["next"]["url"])
    assert [each["version"] for each in second.json()["items"]] == ["1.0.2", "1.0.1"]
    third = http.get(second.links["next"]["url"])
    assert [each["version"] for each in third.json()["items"]] == ["1.0.0"]
    assert "Link" not in third.headers
    client = client_of(None)
    assert len(list(client.list(limit=3))) == 7
    assert [each["name"] for each in client.list(name="acme/other")] == ["acme/other"]
    assert list(client.list(state="approved")) == []
    assert len(list(client.list(domain="chains@1.0.0"))) == 7
    assert client.versions("acme/chains")[0]["version"] == "2.0.0"
    with pytest.raises(NotFound):
        client.versions("acme/nothing")


def test_its_publisher_its_signer_and_an_administrator_may_revoke_and_nobody_else(client_of, keys, session):
    other = generate()
    agents.register(session, keys.broker, "eve", Role.TEACHER, other.public_key())
    session.commit()
    for number, (publisher, revoker) in enumerate(
        [(keys.teacher, keys.teacher), (keys.admin, keys.teacher), (keys.teacher, keys.admin)]
    ):
        data = sign_packet(make_packet(version=f"1.0.{number}"), keys.teacher)
        packet_id = client_of(publisher).publish(data)["packet_id"]
        for stranger in (other, keys.student):
            with pytest.raises(Forbidden):
                client_of(stranger).revoke(packet_id, "mine")
        told = client_of(revoker).revoke(packet_id, "the teacher was wrong")
        assert (told["state"], told["reason"]) == ("revoked", "the teacher was wrong")
        assert client_of(revoker).revoke(packet_id, "again")["reason"] == "the teacher was wrong"


def test_publishing_a_revoked_packet_again_does_not_bring_it_back(client_of, keys, signed, run_scans):
    client = client_of(keys.teacher)
    packet_id = client.publish(signed)["packet_id"]
    client.revoke(packet_id, "wrong")
    assert client.publish(signed)["state"] == "revoked"
