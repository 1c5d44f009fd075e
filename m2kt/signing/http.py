"""Signed requests: RFC 9421 (HTTP Message Signatures) over the target and RFC 9530 (Content-Digest) over the body.

A profile with one signature, which covers exactly ``@method @authority @path @query content-digest``, and
``m2kt-session`` where the request has that header; it carries ``created``, ``nonce``, ``keyid``, ``alg="ed25519"`` and
``tag="m2kt"``. Requests without a body sign the digest of no bytes. The scheme is not signed: what terminates TLS may
stand in front of the broker. That a nonce is used once, and which session is an agent's present one, is for the caller
to enforce.
"""

import base64
import binascii
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from hmac import compare_digest
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature

from m2kt.errors import ClockSkew, RequestUnsigned, UnknownKey, UsageError
from m2kt.signing.keys import KeyId, PrivateKey, PublicKey, key_id

COMPONENTS = ("@method", "@authority", "@path", "@query", "content-digest")
SESSION_HEADER = "M2KT-Session"
"""Names the agent's session; covered by the signature wherever it is sent."""

ALGORITHM = "ed25519"
TAG = "m2kt"
WINDOW_SECONDS = 60
EMPTY_DIGEST = sha256(b"").digest()
"""Digest of a request without body."""

_LABEL = "m2kt"
_HEADERS = ("signature-input", "signature", "content-digest")
_SESSION = SESSION_HEADER.lower()
_SESSION_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
_MAX_HEADER = 1024
_NONCE = re.compile(r"[A-Za-z0-9_-]{16,64}")
_INPUT = re.compile(rf"{_LABEL}=(\(([^()]*)\)((?:;[a-z]+=(?:[0-9]{{1,12}}|\"[A-Za-z0-9_-]*\"))*))")
_PARAMETER = re.compile(r';([a-z]+)=(?:([0-9]+)|"([A-Za-z0-9_-]*)")')
_LATEST = 253_402_300_799  # the last second that a date can show
_PRINTABLE = re.compile("[\x21-\x7e]*")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


@dataclass(frozen=True)
class Target:
    """What a request is for. ``path`` and ``query`` (without ``?``) are as they stand on the wire, not decoded."""

    method: str
    authority: str
    path: str
    query: str

    def __post_init__(self) -> None:
        # A line feed in one of them would add lines to the signature base.
        if not _PRINTABLE.fullmatch("".join((self.method, self.authority, self.path, self.query))):
            raise UsageError("a request's method, authority, path and query must be printable ASCII without spaces")

    @classmethod
    def of_url(cls, method: str, url: str) -> "Target":
        """The target of an absolute, encoded URL; a default port is left out (RFC 9421 section 2.2.3)."""
        parts = urlsplit(url)
        if not parts.scheme or not parts.netloc:
            raise UsageError(f"{url!r} is not an absolute URL")
        authority = parts.netloc.rpartition("@")[2].removesuffix(_DEFAULT_PORTS.get(parts.scheme, ""))
        return cls(method, authority, parts.path, parts.query)

    def component(self, name: str) -> str:
        """The value of a derived component (RFC 9421 section 2.2)."""
        values = {
            "@method": self.method.upper(),
            "@authority": self.authority.lower(),
            "@path": self.path or "/",
            "@query": f"?{self.query}",
        }
        return values[name]


@dataclass(frozen=True)
class SignedRequest:
    """A request whose signature was checked. ``content_digest`` is the SHA-256 (32 bytes) that its body must have."""

    key_id: KeyId
    nonce: str
    created: int
    content_digest: bytes
    session: str | None = None

    def check_body(self, digest: bytes) -> None:
        """`RequestUnsigned` unless ``digest``, the SHA-256 of the body as received, is the one that was signed."""
        if not compare_digest(digest, self.content_digest):
            raise RequestUnsigned("the body is not the one that was signed: its SHA-256 differs from Content-Digest")


def new_nonce() -> str:
    """128 random bits, base64url."""
    return secrets.token_urlsafe(16)


def content_digest(digest: bytes) -> str:
    """The header field ``sha-256=:<base64>:`` (RFC 9530 section 2)."""
    return f"sha-256=:{base64.b64encode(digest).decode()}:"


def sign_request(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body_digest: bytes,
    key: PrivateKey,
    now: int,
    nonce: str,
    session: str | None = None,
) -> dict[str, str]:
    """The header fields that sign a request: three, and the session's where there is one.

    ``url`` is absolute and encoded as it will be sent; a ``Host`` in ``headers`` takes the place of its authority.
    ``body_digest`` is the SHA-256 (32 bytes) of the body, `EMPTY_DIGEST` without one. ``now`` is in seconds since 1970.
    """
    if len(body_digest) != 32 or not _NONCE.fullmatch(nonce):
        raise UsageError("signing a request needs a SHA-256 digest and a nonce of 16 to 64 base64url characters")
    if session is not None and not _SESSION_ID.fullmatch(session):
        raise UsageError("a session is named by 8 to 64 base64url characters")
    target = Target.of_url(method, url)
    hosts = [value for name, value in headers.items() if name.lower() == "host"]
    if hosts:
        target = Target(method, hosts[0], target.path, target.query)
    fields = {"content-digest": content_digest(body_digest), **({_SESSION: session} if session else {})}
    components = (*COMPONENTS, *([_SESSION] if session else []))
    listed = " ".join(f'"{name}"' for name in components)
    signer = key_id(key.public_key())
    parameters = f'({listed});created={now};nonce="{nonce}";keyid="{signer}";alg="{ALGORITHM}";tag="{TAG}"'
    signature = key.sign(_signature_base(target, fields, components, parameters))
    return {
        **({SESSION_HEADER: session} if session else {}),
        "Content-Digest": fields["content-digest"],
        "Signature-Input": f"{_LABEL}={parameters}",
        "Signature": f"{_LABEL}=:{base64.b64encode(signature).decode()}:",
    }


def parse_and_verify(
    target: Target,
    headers: Mapping[str, str],
    lookup: Callable[[KeyId], PublicKey | None],
    now: int,
    window: int = WINDOW_SECONDS,
) -> SignedRequest:
    """Who signed a request, once all of this holds:

    1. the three header fields are there, once each, in the form of this profile, and so is the session's if the
       signature covers one; a session that is not covered is refused (`RequestUnsigned`);
    2. it was made within ``window`` seconds of ``now`` (`ClockSkew`);
    3. ``lookup`` knows the key (`UnknownKey`);
    4. the signature is that key's, over this target and Content-Digest (`RequestUnsigned`).

    The body has not been seen: hash it while it streams in, then call `SignedRequest.check_body`.
    """
    # 1. form
    fields = {name: _header(headers, name) for name in _HEADERS} | _session(headers)
    components, signed_parameters, request = _parse(fields)
    signature = _bytes(fields["signature"], f"{_LABEL}=", 64, "Signature")
    # 2. freshness
    _require_fresh(request.created, now, window)
    # 3. key
    key = lookup(request.key_id)
    if key is None:
        raise UnknownKey(f"no registered agent has the key {request.key_id[:16]}…")
    # 4. signature
    try:
        key.verify(signature, _signature_base(target, fields, components, signed_parameters))
    except InvalidSignature as error:
        detail = (
            f"the signature does not fit {target.component('@method')} {target.authority}{target.component('@path')}"
        )
        raise RequestUnsigned(f"{detail} with this query and Content-Digest") from error
    return request


def _require_fresh(created: int, now: int, window: int) -> None:
    age = now - created
    if abs(age) > window:
        said, here = (datetime.fromtimestamp(each, UTC).strftime("%H:%M:%S") for each in (min(created, _LATEST), now))
        raise ClockSkew(
            f"the request was signed {abs(age)} seconds {'ago' if age > 0 else 'in the future'}, allowed are {window}: "
            f"this host said {said} UTC, the broker's clock {here}"
        )


def _signature_base(target: Target, fields: Mapping[str, str], components: Iterable[str], parameters: str) -> bytes:
    """RFC 9421 section 2.5."""
    lines = [f'"{name}": {fields[name] if name in fields else target.component(name)}' for name in components]
    return "\n".join([*lines, f'"@signature-params": {parameters}']).encode()


def _session(headers: Mapping[str, str]) -> dict[str, str]:
    if not any(name.lower() == _SESSION for name in headers):
        return {}
    found = _header(headers, _SESSION)
    if not _SESSION_ID.fullmatch(found):
        raise RequestUnsigned(f"{SESSION_HEADER} must be 8 to 64 base64url characters")
    return {_SESSION: found}


def _header(headers: Mapping[str, str], name: str) -> str:
    values = [value for each, value in headers.items() if each.lower() == name]
    shown = name.title()
    if not values:
        raise RequestUnsigned(f"the request has no {shown} header")
    if len(values) > 1 or len(values[0]) > _MAX_HEADER:
        raise RequestUnsigned(f"{shown} must occur once, with at most {_MAX_HEADER} characters")
    return values[0]


def _parse(fields: Mapping[str, str]) -> tuple[tuple[str, ...], str, SignedRequest]:
    """Covered components in their order, the text of @signature-params, and the values that it holds."""
    found = _INPUT.fullmatch(fields["signature-input"])
    if not found:
        raise RequestUnsigned(f'Signature-Input must be one signature {_LABEL}=("@method" ...);created=...;...')
    components = tuple(each.strip('"') for each in found[2].split(" "))
    expected = (*COMPONENTS, *([_SESSION] if _SESSION in fields else []))
    if sorted(components) != sorted(expected) or found[2] != " ".join(f'"{each}"' for each in components):
        raise RequestUnsigned(f"the signature must cover exactly {' '.join(expected)}")
    names = [each[1] for each in _PARAMETER.finditer(found[3])]
    if sorted(names) != ["alg", "created", "keyid", "nonce", "tag"]:
        raise RequestUnsigned("the signature must have created, nonce, keyid, alg and tag, and nothing else")
    digest = _bytes(fields["content-digest"], "sha-256=", 32, "Content-Digest")
    return components, found[1], _request(found[3], digest, fields.get(_SESSION))


def _request(parameters: str, digest: bytes, session: str | None) -> SignedRequest:
    numbers = {each[1]: int(each[2]) for each in _PARAMETER.finditer(parameters) if each[2] is not None}
    texts = {each[1]: each[3] for each in _PARAMETER.finditer(parameters) if each[3] is not None}
    if set(numbers) != {"created"}:
        raise RequestUnsigned("created must be an integer, every other parameter a string")
    if texts["alg"] != ALGORITHM or texts["tag"] != TAG:
        raise RequestUnsigned(f'the signature must have alg="{ALGORITHM}" and tag="{TAG}"')
    if not _NONCE.fullmatch(texts["nonce"]):
        raise RequestUnsigned("the nonce must be 16 to 64 base64url characters")
    if not re.fullmatch(r"[0-9a-f]{64}", texts["keyid"]):
        raise RequestUnsigned("the keyid must be the SHA-256 of the public key, in hexadecimal")
    return SignedRequest(KeyId(texts["keyid"]), texts["nonce"], numbers["created"], digest, session)


def _bytes(value: str, prefix: str, length: int, shown: str) -> bytes:
    """A byte sequence ``:<base64>:`` (RFC 9651 section 3.3.5) of ``length`` bytes, in its one spelling."""
    encoded = value.removeprefix(prefix).removeprefix(":").removesuffix(":")
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise RequestUnsigned(f"{shown} is not {prefix}:<base64>:") from error
    if len(data) != length or value != f"{prefix}:{base64.b64encode(data).decode()}:":
        raise RequestUnsigned(f"{shown} must be {prefix}:<base64 of {length} bytes>:")
    return data
