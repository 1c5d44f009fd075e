"""Keys of agents: limits, rotation, revocation with a time. Refusals carry the rule's name."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text, update
from sqlalchemy.exc import DBAPIError

from broker.models import AgentKey, Role
from broker.services import agents
from m2kt.client.predicates import KEY
from m2kt.errors import Conflict, Forbidden, KeyNotValid, NotPullable, SignatureError, UsageError
from m2kt.signing import TrustStore, sign_packet
from m2kt.signing.keys import Trusted, generate, key_id
from m2kt.signing.statement import read_attestation
from m2kt.signing.validity import Validity
from tests.broker.conftest import make_packet

pytestmark = pytest.mark.usefixtures("enrolled")

SECOND = timedelta(seconds=1)


def limit(session, key, **limits: datetime) -> None:
    session.execute(update(AgentKey).where(AgentKey.key_id == key_id(key.public_key())).values(**limits))
    session.commit()
    session.expire_all()


@pytest.mark.parametrize(
    ("limits", "rule"),
    [
        ({"revoked": -SECOND}, "key-revoked"),
        ({"not_after": -SECOND}, "key-expired"),
        ({"not_before": 60 * SECOND}, "key-not-yet-valid"),
    ],
)
def test_a_key_that_does_not_count_is_refused_with_the_rules_name(client_of, keys, session, signed, limits, rule):
    second = generate()
    agents.register(session, keys.broker, "bob", Role.TEACHER, second.public_key())
    limit(session, keys.teacher, **{name: datetime.now(UTC) + each for name, each in limits.items()})
    with pytest.raises(KeyNotValid, match=rf"^{rule}: .*ada"):  # as a caller
        client_of(keys.teacher).publish(signed)
    with pytest.raises(KeyNotValid, match=f"^{rule}: "):  # as a signer, whoever brings the packet
        client_of(second).publish(signed)


def test_an_outcome_of_a_student_whose_key_was_revoked_a_second_earlier_is_refused(
    client_of, keys, session, signed, run_scans, sign
):
    from m2kt.client.predicates import OUTCOME
    from m2kt.signing.statement import attest

    packet_id = client_of(keys.teacher).publish(signed)["packet_id"]
    run_scans()
    limit(session, keys.student, revoked=datetime.now(UTC) - SECOND)
    body = attest(packet_id, OUTCOME, {}, keys.student).to_bytes()
    answer = sign(keys.admin, "POST", f"/v1/packets/{packet_id}/outcomes", body)
    assert (answer.status_code, answer.json()["code"]) == (403, "key-not-valid")
    assert answer.json()["detail"].startswith("key-revoked: since")


def test_rotation_adds_a_key_and_what_the_old_one_signed_stays(client_of, keys, session, signed, run_scans):
    packet_id = client_of(keys.teacher).publish(signed)["packet_id"]
    run_scans()
    new = generate()
    told = client_of(keys.teacher).rotate_key("ada", keys.teacher, new)
    assert told["key_id"] == key_id(new.public_key())
    assert len(told["keys"]) == 2
    with pytest.raises(KeyNotValid, match=r"^key-expired"):
        client_of(keys.teacher).publish(signed)
    assert client_of(keys.student).pull(packet_id).key_ids == (key_id(keys.teacher.public_key()),)
    fresh = sign_packet(make_packet("acme/fresh"), new)
    assert client_of(new).publish(fresh)["state"] == "received"


def test_both_keys_count_while_they_overlap(client_of, keys, signed):
    new = generate()
    client_of(keys.teacher).rotate_key("ada", keys.teacher, new, overlap=timedelta(hours=1))
    assert client_of(keys.teacher).publish(signed)["state"] == "received"
    assert client_of(new).publish(sign_packet(make_packet("acme/x"), keys.teacher, new))["state"] == "received"
    with pytest.raises(Forbidden):  # the old key cannot rotate once more
        client_of(keys.teacher).rotate_key("ada", keys.teacher, generate())


def test_only_the_holder_of_both_keys_rotates(client_of, keys, sign):
    new = generate()
    body = {"public_key": "", "proof": base64.b64encode(bytes(64)).decode()}
    from m2kt.signing.keys import public_text

    body["public_key"] = public_text(new.public_key())
    sent = json.dumps(body).encode()
    answer = sign(keys.teacher, "POST", "/v1/agents/ada/rotate", sent, {"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (422, "signature-invalid")
    with pytest.raises(Forbidden):
        client_of(keys.student).rotate_key("ada", keys.student, new)
    with pytest.raises(Forbidden):
        client_of(keys.admin).rotate_key("ada", keys.admin, new)
    with pytest.raises(SignatureError):  # a proof for another old key
        client_of(keys.teacher).rotate_key("ada", keys.stranger, new)
    with pytest.raises(Conflict, match="another agent has this key"):
        client_of(keys.teacher).rotate_key("ada", keys.teacher, keys.student)


def test_a_revocation_reaches_back_to_when_the_key_was_lost(client_of, keys, signed, run_scans):
    packet_id = client_of(keys.teacher).publish(signed)["packet_id"]
    run_scans()
    student, admin = client_of(keys.student), client_of(keys.admin)
    admin.revoke_agent("ada")
    assert student.pull(packet_id).packet.packet_id == packet_id  # signed before
    admin.revoke_agent("ada", since=datetime.now(UTC) - timedelta(hours=1))
    with pytest.raises(NotPullable, match="key-revoked: since"):
        student.pull(packet_id)
    admin.revoke_agent("ada", since=datetime.now(UTC) - timedelta(minutes=1))  # never made milder
    with pytest.raises(NotPullable, match="key-revoked: since"):
        student.pull(packet_id)
    with pytest.raises(UsageError):
        admin.revoke_agent("stu", since=datetime.now(UTC) + timedelta(hours=1))


def test_a_second_signer_keeps_a_packet_alive(client_of, keys, session, run_scans):
    second = generate()
    agents.register(session, keys.broker, "bob", Role.TEACHER, second.public_key())
    session.commit()
    data = sign_packet(make_packet("acme/two"), keys.teacher, second)
    packet_id = client_of(second).publish(data)["packet_id"]
    run_scans()
    client_of(keys.admin).revoke_agent("ada", since=datetime.now(UTC) - timedelta(hours=1))
    assert client_of(keys.student).fetch(packet_id)


def test_a_student_that_trusts_no_longer_refuses_what_was_signed_since(transport, keys, client_of, signed, run_scans):
    from m2kt.client import Client
    from tests.broker.conftest import URL

    packet_id = client_of(keys.teacher).publish(signed)["packet_id"]
    run_scans()
    for revoked, refused in ((datetime.now(UTC) - timedelta(hours=1), True), (datetime.now(UTC) + SECOND, False)):
        teacher = Trusted(keys.teacher.public_key(), Validity(revoked=revoked))
        student = Client(URL, keys.student, TrustStore([keys.broker.public_key(), teacher]), transport)
        if refused:
            with pytest.raises(KeyNotValid, match="key-revoked: since"):
                student.pull(packet_id)
        else:
            assert student.pull(packet_id)


def test_every_step_of_a_key_is_a_statement_in_the_log(client_of, keys, run_log, http):
    new = generate()
    client_of(keys.teacher).rotate_key("ada", keys.teacher, new)
    client_of(keys.admin).revoke_agent("ada")
    run_log()
    said = []
    for each in http.get("/v1/keys").json()["items"]:
        found = read_attestation(base64.b64decode(each["envelope"]), TrustStore([keys.broker.public_key()]), KEY)
        assert found.subject == f"sha256:{each['key_id']}"
        said.append((found.predicate["name"], found.predicate["event"]))
    assert said == [
        ("ada", "added"),
        ("stu", "added"),
        ("ada", "ends"),
        ("ada", "added"),
        ("ada", "revoked"),
        ("ada", "revoked"),
    ]


def test_statements_about_keys_can_be_neither_changed_nor_deleted(session):
    for statement in ("UPDATE key_statements SET key_id = 'x'", "DELETE FROM key_statements"):
        with pytest.raises(DBAPIError, match="append-only"), session.begin_nested():
            session.execute(text(statement))
