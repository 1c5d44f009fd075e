"""DSSE v1 envelopes (secure-systems-lab/dsse, protocol.md and envelope.md) with Ed25519 signatures.

An envelope is canonical JSON (RFC 8785) of ``{payload, payloadType, signatures: [{keyid, sig}]}``. A key id is an
unauthenticated hint: it orders the attempts to verify, and decides nothing.
"""

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from cryptography.exceptions import InvalidSignature

from m2kt.errors import ManifestError, SignatureError, UnknownKey
from m2kt.packet import canonical, fields, rules
from m2kt.signing.keys import KeyId, PrivateKey, PublicKey, TrustStore, key_id

MAX_ENVELOPE_BYTES = 8 * 2**20
MAX_SIGNATURES = 16
MAX_TYPE_LENGTH = 256
_SIGNATURE_BYTES = 64
_MAX_KEYID_LENGTH = 256


def pae(payload_type: str, payload: bytes) -> bytes:
    """The bytes that are signed: ``"DSSEv1" SP LEN(type) SP type SP LEN(body) SP body``, lengths in decimal."""
    encoded = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(encoded), encoded, len(payload), payload)


@dataclass(frozen=True)
class Signature:
    """A signature over `pae`, and whose it claims to be (possibly nobody's: an empty ``keyid``)."""

    keyid: str
    sig: bytes


@dataclass(frozen=True)
class Envelope:
    """A payload with its signatures, none of them checked."""

    payload_type: str
    payload: bytes
    signatures: tuple[Signature, ...]

    def to_bytes(self) -> bytes:
        """Canonical JSON with standard, padded base64."""
        signatures = [{"keyid": each.keyid, "sig": _encode(each.sig)} for each in self.signatures]
        found = {"payload": _encode(self.payload), "payloadType": self.payload_type, "signatures": signatures}
        return canonical.dumps(found)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Envelope":
        """Parse strictly: canonical JSON, no other fields, 1 to 16 distinct signatures of 64 bytes each."""
        try:
            found = canonical.loads(data, max_bytes=MAX_ENVELOPE_BYTES, max_depth=3)
        except ManifestError as error:
            raise SignatureError(rules.inside("the envelope", error)) from error
        payload_type, payload, listed = _values(found, "payloadType", "payload", "signatures")
        if not isinstance(payload_type, str) or len(payload_type) > MAX_TYPE_LENGTH:
            _refuse("payload-type", f"it must be text of at most {MAX_TYPE_LENGTH} characters")
        if not isinstance(listed, list) or not 1 <= len(listed) <= MAX_SIGNATURES:
            _refuse("signatures", f"an envelope has 1 to {MAX_SIGNATURES}")
        signatures = tuple(_read_signature(each) for each in listed)
        if len({each.sig for each in signatures}) != len(signatures):
            _refuse("duplicate-signature", "the envelope holds one signature twice")
        return cls(payload_type, _decode(payload), signatures)

    @property
    def pae(self) -> bytes:
        """What the signatures are over; also the leaf data of a transparency log."""
        return pae(self.payload_type, self.payload)


@dataclass(frozen=True)
class Verified:
    """A payload that at least one trusted key signed. ``signers`` has one item per signature of the envelope: the
    trusted key that verified it, or None."""

    payload: bytes
    signers: tuple[KeyId | None, ...]

    @property
    def key_ids(self) -> tuple[KeyId, ...]:
        """The trusted keys that signed, each once."""
        return tuple(dict.fromkeys(each for each in self.signers if each is not None))


def sign(payload_type: str, payload: bytes, *keys: PrivateKey) -> Envelope:
    """An envelope with a signature of each key."""
    if not keys:
        _refuse("signatures", "signing needs at least one key")
    return Envelope(payload_type, payload, tuple(_sign(payload_type, payload, key) for key in keys))


def add_signature(envelope: Envelope, key: PrivateKey) -> Envelope:
    """The envelope with the key's signature besides those it has; unchanged when that is there already."""
    added = _sign(envelope.payload_type, envelope.payload, key)
    if any(each.sig == added.sig for each in envelope.signatures):
        return envelope  # Ed25519 signatures are deterministic (RFC 8032 section 8.2)
    if len(envelope.signatures) == MAX_SIGNATURES:
        _refuse("signatures", f"the envelope has {MAX_SIGNATURES} already, which is the limit")
    return Envelope(envelope.payload_type, envelope.payload, (*envelope.signatures, added))


def verify(envelope: Envelope, trust: TrustStore, payload_type: str) -> Verified:
    """The payload, once a trusted key's signature over it and ``payload_type`` is found.

    Every signature is tried against every trusted key. Raises `UnknownKey` when no signature claims a trusted key and
    none verifies; `SignatureError` when one that claims a trusted key does not.
    """
    check_type(envelope, payload_type)
    message = envelope.pae
    signers = tuple(_signer(each, message, trust) for each in envelope.signatures)
    if any(signers):
        return Verified(envelope.payload, signers)
    claimed = [each.keyid for each in envelope.signatures]
    if not trust or not any(keyid in trust for keyid in claimed):
        named = ", ".join(keyid[:16] or "an unnamed key" for keyid in claimed)
        rules.refuse("untrusted", f"signed by {named}, and none of {len(trust)} trusted keys verifies it", UnknownKey)
    _refuse("signature", "one claims a trusted key, but is not that key's signature over these bytes")


def check_type(envelope: Envelope, payload_type: str) -> None:
    """Refuse an envelope whose payload is of another type."""
    if envelope.payload_type != payload_type:
        _refuse("payload-type", f"it is {envelope.payload_type!r}, expected {payload_type!r}")


def _sign(payload_type: str, payload: bytes, key: PrivateKey) -> Signature:
    return Signature(key_id(key.public_key()), key.sign(pae(payload_type, payload)))


def _signer(signature: Signature, message: bytes, trust: TrustStore) -> KeyId | None:
    """The trusted key that made ``signature``, if one did."""
    for candidate, key in _candidates(signature, trust):
        try:
            key.verify(signature.sig, message)
        except InvalidSignature:
            continue
        return candidate
    return None


def _candidates(signature: Signature, trust: TrustStore) -> Iterator[tuple[KeyId, PublicKey]]:
    """All trusted keys, the one that the hint names first: only a matter of speed."""
    return iter(sorted(trust.items(), key=lambda item: item[0] != signature.keyid))


def _values(value: object, *names: str) -> list[Any]:
    try:
        found = fields.exactly(value, names, "an object of the envelope")
    except ManifestError as error:
        raise SignatureError(error.detail) from error
    return [found[name] for name in names]


def _read_signature(value: object) -> Signature:
    keyid, sig = _values(value, "keyid", "sig")
    if not isinstance(keyid, str) or len(keyid) > _MAX_KEYID_LENGTH:
        _refuse("keyid", f"it must be text of at most {_MAX_KEYID_LENGTH} characters")
    raw = _decode(sig)
    if len(raw) != _SIGNATURE_BYTES:
        _refuse("signature-length", f"an Ed25519 signature has {_SIGNATURE_BYTES} bytes, not {len(raw)}")
    return Signature(keyid, raw)


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decode(text: object) -> bytes:
    """Standard or URL-safe base64 (DSSE asks readers to take both), padded, and in its one spelling: spare bits that
    are not zero would let one signature be written in several ways."""
    if not isinstance(text, str):
        _refuse("base64", "it must be text")
    for altchars in (b"+/", b"-_"):
        try:
            data = base64.b64decode(text, altchars, validate=True)
        except (binascii.Error, ValueError):
            continue
        if base64.b64encode(data, altchars).decode() == text:
            return data
    _refuse("base64", "the envelope holds something else than padded base64 in its one spelling")


def _refuse(rule: rules.Rule, detail: str) -> NoReturn:
    rules.refuse(rule, detail, SignatureError)
