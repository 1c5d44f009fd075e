import json

import pytest

from m2kt.errors import ManifestError, SignatureError, UnknownKey
from m2kt.packet import PacketId, canonical
from m2kt.signing import PrivateKey, Statement, Subject, TrustStore, attest, dsse, read_attestation
from m2kt.signing.statement import PAYLOAD_TYPE

SUBJECT = PacketId("sha256:" + "ab" * 32)
VERDICT = "urn:m2kt:scan:v1"


def test_the_form_is_that_of_in_toto() -> None:
    statement = Statement((Subject("chains@1.0.0", SUBJECT),), VERDICT, {"passed": True})
    assert json.loads(statement.to_bytes()) == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "chains@1.0.0", "digest": {"sha256": "ab" * 32}}],
        "predicateType": VERDICT,
        "predicate": {"passed": True},
    }
    assert Statement.from_bytes(statement.to_bytes()) == statement


def test_an_attestation_reads_back(key: PrivateKey, trust: TrustStore) -> None:
    found = read_attestation(attest(SUBJECT, VERDICT, {"score": "0.5"}, key).to_bytes(), trust, VERDICT)
    assert (found.subject, found.predicate, found.key_ids) == (SUBJECT, {"score": "0.5"}, tuple(trust))


def test_an_attestation_of_another_type_is_refused(key: PrivateKey, trust: TrustStore) -> None:
    with pytest.raises(SignatureError, match=r"^predicate-type:"):
        read_attestation(attest(SUBJECT, "urn:m2kt:approval:v1", {}, key).to_bytes(), trust, VERDICT)


def test_an_attestation_of_a_stranger_is_refused(other_key: PrivateKey, trust: TrustStore) -> None:
    with pytest.raises(UnknownKey):
        read_attestation(attest(SUBJECT, VERDICT, {}, other_key).to_bytes(), trust, VERDICT)


def test_an_attestation_is_about_one_subject(key: PrivateKey, trust: TrustStore) -> None:
    two = (Subject("a", SUBJECT), Subject("b", PacketId("sha256:" + "cd" * 32)))
    statement = Statement(two, VERDICT, {})
    assert Statement.from_bytes(statement.to_bytes()).subjects == two
    with pytest.raises(SignatureError, match="one subject"):
        read_attestation(dsse.sign(PAYLOAD_TYPE, statement.to_bytes(), key).to_bytes(), trust, VERDICT)


@pytest.mark.parametrize(
    "changes",
    [
        {"_type": "https://in-toto.io/Statement/v0.1"},
        {"subject": []},
        {"subject": "x"},
        {"subject": [{"name": "a"}]},
        {"subject": [{"name": "a", "digest": {}}]},
        {"subject": [{"name": "a", "digest": {"sha256": "AB" * 32}}]},
        {"subject": [{"name": "a", "digest": {"sha256": ["ab" * 32]}}]},
        {"subject": [{"name": "a", "digest": {"sha256": "ab" * 32, "md5": "x"}}]},
        {"subject": [{"name": "a\n", "digest": {"sha256": "ab" * 32}}]},
        {"predicate": []},
        {"predicateType": 1},
        {"extra": 1},
    ],
)
def test_other_statements_are_refused(changes: dict[str, object]) -> None:
    fields = json.loads(Statement((Subject("a", SUBJECT),), VERDICT, {}).to_bytes()) | changes
    with pytest.raises(SignatureError):
        Statement.from_bytes(canonical.dumps(fields))


def test_predicates_hold_no_floats(key: PrivateKey) -> None:
    with pytest.raises(ManifestError, match=r"^float:"):
        attest(SUBJECT, VERDICT, {"score": 0.5}, key)


def test_a_statement_needs_a_subject() -> None:
    with pytest.raises(SignatureError):
        Statement((), VERDICT, {}).to_bytes()
