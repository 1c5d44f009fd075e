import base64
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2kt.errors import SignatureError, UnknownKey
from m2kt.packet import canonical
from m2kt.signing import Envelope, PrivateKey, TrustStore, dsse

KIND = "application/x-test"


def test_pae_is_that_of_the_specification() -> None:
    # protocol.md, section "Test vectors"; lengths are in bytes, not characters.
    assert dsse.pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    assert dsse.pae("é", b"") == b"DSSEv1 2 \xc3\xa9 0 "


@given(st.text(max_size=20), st.binary(max_size=50), st.text(max_size=20), st.binary(max_size=50))
def test_pae_is_injective(type_a: str, a: bytes, type_b: str, b: bytes) -> None:
    assert (dsse.pae(type_a, a) == dsse.pae(type_b, b)) == ((type_a, a) == (type_b, b))


@given(st.binary(max_size=100))
def test_round_trip(payload: bytes) -> None:
    envelope = dsse.sign(KIND, payload, PrivateKey.from_private_bytes(bytes(32)))
    assert Envelope.from_bytes(envelope.to_bytes()) == envelope


def test_verify_returns_the_payload_and_who_signed(key: PrivateKey, other_key: PrivateKey, trust: TrustStore) -> None:
    verified = dsse.verify(dsse.sign(KIND, b"x", other_key, key), trust, KIND)
    assert verified.payload == b"x"
    assert verified.signers == (None, *trust)
    assert verified.key_ids == tuple(trust)


@pytest.mark.parametrize("hint", ["", "f" * 64, "somebody else"])
def test_the_key_id_decides_nothing(key: PrivateKey, trust: TrustStore, hint: str) -> None:
    envelope = dsse.sign(KIND, b"x", key)
    misleading = replace(envelope, signatures=(replace(envelope.signatures[0], keyid=hint),))
    assert dsse.verify(misleading, trust, KIND).key_ids == tuple(trust)


def test_another_payload_type_is_refused(key: PrivateKey, trust: TrustStore) -> None:
    envelope = dsse.sign(KIND, b"x", key)
    with pytest.raises(SignatureError, match=r"^payload-type:"):
        dsse.verify(envelope, trust, "application/x-other")
    with pytest.raises(SignatureError):
        dsse.verify(replace(envelope, payload_type="application/x-other"), trust, "application/x-other")


def test_a_tampered_payload_of_a_trusted_key_is_a_signature_error(key: PrivateKey, trust: TrustStore) -> None:
    envelope = replace(dsse.sign(KIND, b"x", key), payload=b"y")
    with pytest.raises(SignatureError, match="claims a trusted key") as raised:
        dsse.verify(envelope, trust, KIND)
    assert not isinstance(raised.value, UnknownKey)


def test_a_stranger_is_an_unknown_key(other_key: PrivateKey, trust: TrustStore) -> None:
    envelope = dsse.sign(KIND, b"x", other_key)
    for store in (trust, TrustStore()):
        with pytest.raises(UnknownKey):
            dsse.verify(envelope, store, KIND)


def test_a_stranger_who_claims_a_trusted_key_gains_nothing(
    key: PrivateKey, other_key: PrivateKey, trust: TrustStore
) -> None:
    envelope = dsse.sign(KIND, b"x", other_key)
    claimed = replace(envelope.signatures[0], keyid=dsse.sign(KIND, b"x", key).signatures[0].keyid)
    with pytest.raises(SignatureError, match="claims a trusted key"):
        dsse.verify(replace(envelope, signatures=(claimed,)), trust, KIND)


def test_both_base64_alphabets_are_read_and_one_is_written(key: PrivateKey, trust: TrustStore) -> None:
    envelope = dsse.sign(KIND, b"\xfb\xff\xfe" * 5, key)
    fields = json.loads(envelope.to_bytes())
    fields["payload"] = base64.urlsafe_b64encode(envelope.payload).decode()
    fields["signatures"][0]["sig"] = base64.urlsafe_b64encode(envelope.signatures[0].sig).decode()
    data = canonical.dumps(fields)
    assert data != envelope.to_bytes()
    assert dsse.verify(Envelope.from_bytes(data), trust, KIND).payload == envelope.payload
    assert Envelope.from_bytes(data).to_bytes() == envelope.to_bytes()


@pytest.mark.parametrize("text", ["YR==", "YQ", "YQ=", "Y Q==", "YQ==\n", "+-==", "é", None, 1])
def test_other_base64_is_refused(key: PrivateKey, text: object) -> None:
    fields = json.loads(dsse.sign(KIND, b"a", key).to_bytes()) | {"payload": text}
    with pytest.raises(SignatureError):
        Envelope.from_bytes(canonical.dumps(fields))


@pytest.mark.parametrize(
    "changes",
    [
        {"extra": 1},
        {"payloadType": 1},
        {"payloadType": "x" * 257},
        {"signatures": []},
        {"signatures": {}},
        {"signatures": [1]},
        {"signatures": [{"keyid": "", "sig": ""}]},
        {"signatures": [{"sig": base64.b64encode(bytes(64)).decode()}]},
        {"signatures": [{"keyid": "", "sig": base64.b64encode(bytes(64)).decode(), "cert": "x"}]},
        {"signatures": [{"keyid": "k" * 257, "sig": base64.b64encode(bytes(64)).decode()}]},
        {"signatures": [{"keyid": "", "sig": base64.b64encode(bytes(64)).decode()}] * 2},
        {"signatures": [{"keyid": "", "sig": base64.b64encode(bytes([i]) * 64).decode()} for i in range(17)]},
    ],
)
def test_other_envelopes_are_refused(key: PrivateKey, changes: dict[str, object]) -> None:
    fields = json.loads(dsse.sign(KIND, b"a", key).to_bytes()) | changes
    with pytest.raises(SignatureError):
        Envelope.from_bytes(canonical.dumps(fields))


def test_an_envelope_that_is_not_canonical_is_refused(key: PrivateKey) -> None:
    with pytest.raises(SignatureError, match="canonical"):
        Envelope.from_bytes(dsse.sign(KIND, b"a", key).to_bytes() + b"\n")


def test_a_signature_is_added_once(key: PrivateKey, other_key: PrivateKey) -> None:
    envelope = dsse.sign(KIND, b"a", key)
    both = dsse.add_signature(envelope, other_key)
    assert both == dsse.sign(KIND, b"a", key, other_key)
    assert dsse.add_signature(both, key) == both


def test_signing_needs_a_key() -> None:
    with pytest.raises(SignatureError):
        dsse.sign(KIND, b"a")
