import base64
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256

import pytest

from m2kt.errors import RequestUnsigned, UnknownKey, UsageError
from m2kt.signing import PrivateKey, TrustStore
from m2kt.signing.http import (
    EMPTY_DIGEST,
    SignedRequest,
    Target,
    content_digest,
    new_nonce,
    parse_and_verify,
    sign_request,
)

NOW = 1_800_000_000
NONCE = "n" * 22
URL = "https://Broker.example:443/v1/packets/a%2Fb?kind=knowledge&limit=5"
TARGET = Target("POST", "broker.example", "/v1/packets/a%2Fb", "kind=knowledge&limit=5")
BODY = sha256(b"body").digest()

Signer = Callable[..., dict[str, str]]


@pytest.fixture
def sign(key: PrivateKey) -> Signer:
    def signer(**changes: object) -> dict[str, str]:
        fields = {"method": "POST", "url": URL, "headers": {}, "body_digest": BODY, "now": NOW, "nonce": NONCE}
        return sign_request(key=key, **(fields | changes))  # type: ignore[arg-type]

    return signer


def test_a_signed_request_verifies(sign: Signer, trust: TrustStore) -> None:
    found = parse_and_verify(TARGET, sign(), trust.get, NOW)
    assert found == SignedRequest(next(iter(trust)), NONCE, NOW, BODY)
    found.check_body(BODY)


def test_the_signature_base_is_that_of_rfc_9421(sign: Signer, key: PrivateKey, trust: TrustStore) -> None:
    headers = sign()
    base = (
        '"@method": POST\n'
        '"@authority": broker.example\n'
        '"@path": /v1/packets/a%2Fb\n'
        '"@query": ?kind=knowledge&limit=5\n'
        f'"content-digest": sha-256=:{base64.b64encode(BODY).decode()}:\n'
        '"@signature-params": ("@method" "@authority" "@path" "@query" "content-digest")'
        f';created={NOW};nonce="{NONCE}";keyid="{next(iter(trust))}";alg="ed25519";tag="m2kt"'
    )
    assert headers["Signature"] == f"m2kt=:{base64.b64encode(key.sign(base.encode())).decode()}:"


def test_content_digest_is_that_of_rfc_9530() -> None:
    digest = sha256(b'{"hello": "world"}').digest()  # appendix B.1 has it with a line feed, RFC 9421 B.2 like this
    assert content_digest(digest) == "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:"


def test_another_order_of_components_and_parameters_verifies(key: PrivateKey, trust: TrustStore) -> None:
    parameters = (
        '("content-digest" "@query" "@path" "@authority" "@method");tag="m2kt";alg="ed25519"'
        f';keyid="{next(iter(trust))}";nonce="{NONCE}";created={NOW}'
    )
    lines = [
        f'"content-digest": {content_digest(EMPTY_DIGEST)}',
        '"@query": ?',
        '"@path": /',
        '"@authority": h',
        '"@method": GET',
    ]
    base = "\n".join([*lines, f'"@signature-params": {parameters}'])
    headers = {
        "content-digest": content_digest(EMPTY_DIGEST),
        "signature-input": f"m2kt={parameters}",
        "signature": f"m2kt=:{base64.b64encode(key.sign(base.encode())).decode()}:",
    }
    assert parse_and_verify(Target("get", "H", "", ""), headers, trust.get, NOW).content_digest == EMPTY_DIGEST


@pytest.mark.parametrize(
    "change",
    [
        {"method": "DELETE"},
        {"authority": "other.example"},
        {"authority": "broker.example:8443"},
        {"path": "/v1/packets/a/b"},
        {"path": "/v1/packets/a%2fb"},
        {"query": ""},
        {"query": "kind=knowledge&limit=50"},
    ],
)
def test_a_replay_on_another_target_is_refused(sign: Signer, trust: TrustStore, change: dict[str, str]) -> None:
    with pytest.raises(RequestUnsigned, match="does not fit"):
        parse_and_verify(replace(TARGET, **change), sign(), trust.get, NOW)


def test_a_replay_with_another_body_is_refused(sign: Signer, trust: TrustStore) -> None:
    other = sha256(b"other").digest()
    with pytest.raises(RequestUnsigned, match="does not fit"):
        parse_and_verify(TARGET, sign() | {"Content-Digest": content_digest(other)}, trust.get, NOW)
    with pytest.raises(RequestUnsigned, match="body"):
        parse_and_verify(TARGET, sign(), trust.get, NOW).check_body(other)


@pytest.mark.parametrize("offset", [-61, 61, 10**6])
def test_stale_and_future_requests_are_refused(sign: Signer, trust: TrustStore, offset: int) -> None:
    with pytest.raises(RequestUnsigned, match=r"61 seconds|1000000 seconds"):
        parse_and_verify(TARGET, sign(), trust.get, NOW + offset)


@pytest.mark.parametrize("offset", [-60, 0, 60])
def test_the_window_is_inclusive(sign: Signer, trust: TrustStore, offset: int) -> None:
    assert parse_and_verify(TARGET, sign(), trust.get, NOW + offset).created == NOW


def test_an_unknown_key_is_named(sign: Signer, trust: TrustStore) -> None:
    with pytest.raises(UnknownKey, match=next(iter(trust))[:16]):
        parse_and_verify(TARGET, sign(), lambda _: None, NOW)


def test_another_agents_key_does_not_verify(sign: Signer, other_key: PrivateKey) -> None:
    with pytest.raises(RequestUnsigned):
        parse_and_verify(TARGET, sign(), lambda _: other_key.public_key(), NOW)


@pytest.mark.parametrize("name", ["Signature", "Signature-Input", "Content-Digest"])
def test_each_header_is_needed_once(sign: Signer, trust: TrustStore, name: str) -> None:
    headers = sign()
    with pytest.raises(RequestUnsigned, match=f"no {name}"):
        parse_and_verify(TARGET, {k: v for k, v in headers.items() if k != name}, trust.get, NOW)
    with pytest.raises(RequestUnsigned, match="once"):
        parse_and_verify(TARGET, headers | {name.lower(): headers[name]}, trust.get, NOW)
    with pytest.raises(RequestUnsigned):
        parse_and_verify(TARGET, headers | {name: ""}, trust.get, NOW)
    with pytest.raises(RequestUnsigned):
        parse_and_verify(TARGET, headers | {name: "x" * 1025}, trust.get, NOW)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"@query" ', ""),
        ('"@query"', '"@query" "@query"'),
        ('"@query"', '"date"'),
        ('"@path"', '"@path";req'),
        ("created=", "expires=1;created="),
        (f";created={NOW}", ""),
        (f"created={NOW}", f'created="{NOW}"'),
        (f"created={NOW}", f"created={NOW}.5"),
        (f"created={NOW}", f"created=-{NOW}"),
        (f";created={NOW}", f";created={NOW};created={NOW}"),
        (f';nonce="{NONCE}"', ""),
        (NONCE, "short"),
        (f'nonce="{NONCE}"', "nonce=1234567890123456"),
        ("ed25519", "none"),
        ('tag="m2kt"', 'tag="app"'),
        ("m2kt=(", "sig1=("),
        ("m2kt=(", "a=();b, m2kt=("),
        ('keyid="', 'keyid="AB'),
    ],
)
def test_other_signature_inputs_are_refused(sign: Signer, trust: TrustStore, old: str, new: str) -> None:
    headers = sign()
    changed = headers["Signature-Input"].replace(old, new)
    assert changed != headers["Signature-Input"]
    with pytest.raises(RequestUnsigned):
        parse_and_verify(TARGET, headers | {"Signature-Input": changed}, trust.get, NOW)


@pytest.mark.parametrize(
    "value", ["md5=:AAAA:", "sha-256=:AAAA:", "sha-256=::", "sha-256=:%s=:" % ("A" * 42 + "B"), "é"]
)
def test_other_content_digests_are_refused(sign: Signer, trust: TrustStore, value: str) -> None:
    with pytest.raises(RequestUnsigned, match="Content-Digest"):
        parse_and_verify(TARGET, sign() | {"Content-Digest": value}, trust.get, NOW)


def test_a_host_header_takes_the_place_of_the_urls(sign: Signer, trust: TrustStore) -> None:
    headers = sign(url="http://127.0.0.1:9/x", headers={"host": "broker.example"}, method="GET")
    parse_and_verify(Target("GET", "broker.example", "/x", ""), headers, trust.get, NOW)


@pytest.mark.parametrize("field", ["method", "authority", "path", "query"])
def test_targets_cannot_add_lines_to_the_signature_base(field: str) -> None:
    with pytest.raises(UsageError):
        replace(TARGET, **{field: 'x\n"@method": GET'})


@pytest.mark.parametrize(
    ("url", "authority"), [("http://h:80/", "h"), ("https://h:80/", "h:80"), ("http://u:p@h/", "h")]
)
def test_default_ports_and_user_names_are_left_out(url: str, authority: str) -> None:
    assert Target.of_url("GET", url).authority == authority


def test_unusable_requests_are_not_signed(sign: Signer) -> None:
    for changes in ({"url": "/v1"}, {"body_digest": b""}, {"nonce": 'a" x'}):
        with pytest.raises(UsageError):
            sign(**changes)


def test_nonces_differ() -> None:
    assert len({new_nonce() for _ in range(100)}) == 100
