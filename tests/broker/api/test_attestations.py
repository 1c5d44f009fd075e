"""What was said about a packet: receipts, verdicts, states and outcomes, all signed, none ever changed."""

import base64

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from m2kt.client.predicates import OUTCOME, RECEIPT, SCAN, STATE, SVR
from m2kt.errors import DigestMismatch, NotFound, NotPullable, SignatureError, UnknownKey
from m2kt.signing import TrustStore, sign_packet
from m2kt.signing.dsse import Envelope
from m2kt.signing.statement import attest, read_attestation
from tests.broker.conftest import make_packet

pytestmark = pytest.mark.usefixtures("enrolled")


@pytest.fixture
def published(client_of, keys, signed) -> str:
    return client_of(keys.teacher).publish(signed)["packet_id"]


def test_every_step_of_a_packet_is_signed_by_the_broker(client_of, keys, published, run_scans):
    run_scans()
    client_of(keys.teacher).revoke(published, "wrong")
    trust = TrustStore([keys.broker.public_key()])
    said = []
    for each in client_of(None).attestations(published):
        found = read_attestation(base64.b64decode(each["envelope"]), trust, each["predicate_type"])
        assert found.subject == published
        said.append((each["predicate_type"], found.predicate.get("to")))
    assert said == [
        (RECEIPT, None),
        (STATE, "scanning"),
        (SCAN, None),
        (SVR, None),
        (STATE, "approved"),
        (STATE, "revoked"),
    ]


def test_a_receipt_names_what_was_received(client_of, keys, published):
    receipt = client_of(None).receipt(published)
    assert receipt.subject == published
    assert receipt.predicate["content"] == client_of(None).show(published)["content"]
    assert receipt.predicate["publisher"] == "ada"
    with pytest.raises(NotFound):
        client_of(None).receipt(f"sha256:{'0' * 64}")


def test_attestations_page_by_keyset(http, published, run_scans):
    run_scans()
    path, seen = f"/v1/packets/{published}/attestations?limit=1", []
    while path:
        answer = http.get(path)
        seen += [each["id"] for each in answer.json()["items"]]
        path = answer.links.get("next", {}).get("url")
    assert seen == sorted(seen)
    assert len(seen) == 5


def test_attestations_can_be_neither_changed_nor_deleted(session, published):
    for statement in ("UPDATE attestations SET signer = 'x'", "DELETE FROM attestations"):
        with pytest.raises(DBAPIError, match="append-only"), session.begin_nested():
            session.execute(text(statement))


def test_a_student_reports_an_outcome_and_repeating_changes_nothing(client_of, keys, published, run_scans):
    run_scans()
    told = {"decision": "activated", "gain": "0.31"}
    envelope = attest(published, OUTCOME, told, keys.student)
    student = client_of(keys.student)
    first = student.report_outcome(envelope)
    assert student.report_outcome(envelope.to_bytes()) == first
    kept = read_attestation(base64.b64decode(first["envelope"]), TrustStore([keys.student.public_key()]), OUTCOME)
    assert kept.predicate == told


def test_an_outcome_of_a_revoked_packet_still_counts(client_of, keys, published, run_scans):
    run_scans()
    client_of(keys.teacher).revoke(published, "wrong")
    assert client_of(keys.student).report_outcome(attest(published, OUTCOME, {"decision": "removed"}, keys.student))


def test_outcomes_that_are_not_a_students_word_on_this_packet_are_refused(client_of, keys, published, run_scans, sign):
    student = client_of(keys.student)
    with pytest.raises(NotPullable):  # nobody can have taken it yet
        student.report_outcome(attest(published, OUTCOME, {}, keys.student))
    run_scans()
    for signer in (keys.teacher, keys.stranger, keys.admin):
        with pytest.raises(UnknownKey):
            student.report_outcome(attest(published, OUTCOME, {}, signer))
    with pytest.raises(SignatureError):
        student.report_outcome(attest(published, STATE, {"to": "approved"}, keys.student))
    other = client_of(keys.teacher).publish(sign_packet(make_packet("acme/other"), keys.teacher))["packet_id"]
    run_scans()
    stray = attest(other, OUTCOME, {}, keys.student).to_bytes()
    assert sign(keys.student, "POST", f"/v1/packets/{published}/outcomes", stray).status_code == 422
    good = attest(published, OUTCOME, {}, keys.student)
    forged = Envelope(good.payload_type, good.payload.replace(b"outcome", b"income0"), good.signatures)
    with pytest.raises(SignatureError):
        student.report_outcome(forged)
    for junk in (b"", b"{}", b"\xff"):
        assert sign(keys.student, "POST", f"/v1/packets/{published}/outcomes", junk).status_code == 422


def test_a_pull_needs_the_brokers_key_to_be_trusted(transport, keys, published, run_scans):
    from m2kt.client import Client
    from tests.broker.conftest import URL

    run_scans()
    with pytest.raises(UnknownKey, match="the broker's key"):
        Client(URL, keys.student, TrustStore([keys.teacher.public_key()]), transport).pull(published)
    with pytest.raises(UnknownKey):
        Client(URL, keys.student, TrustStore([keys.broker.public_key()]), transport).pull(published)


def test_a_pull_of_another_packet_than_asked_for_is_refused(client_of, keys, published, run_scans):
    run_scans()
    student = client_of(keys.student)
    with pytest.raises(DigestMismatch):
        student.verify(f"sha256:{'0' * 64}", student.fetch(published))
