"""Vectors of the envelope and its signatures."""

import base64
import hmac
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha512

from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256

from bench.forge import MISSING, PAYLOAD_TYPE, Forge, dump, key_id, pae, public_text, raw_public
from tests.m2kt.vectors.corpus import OTHER, OWNED, OWNER, STRANGER, Must, Vector, texts_of

ORDER = 2**252 + 27742317777372353535851937790883648493
PRIME = 2**255 - 19
ORDER_8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
MESSAGE = pae(PAYLOAD_TYPE, OWNED.payload_bytes)
SIGNATURE = OWNER.sign(MESSAGE)


def signed(*signatures: tuple[str, bytes]) -> Forge:
    """The packet with these signatures."""
    return replace(OWNED, envelope=OWNED.signed_by(*signatures))


def claimed(signature: bytes) -> Forge:
    """The packet with one signature that says it is the owner's."""
    return signed((key_id(OWNER), signature))


def vectors() -> Iterator[Vector]:
    """Refused as ``signature-invalid``, ``key-unknown`` or ``usage``."""
    yield from _forms()
    yield from _base64()
    yield from _signatures()
    yield from _strangers()
    yield from _weak_keys()


def _forms() -> Iterator[Vector]:
    must = Must("envelope", "signature-invalid")
    one = OWNED.envelope_value["signatures"][0]
    yield must.refuse("missing-key", "no-payload-type", OWNED.envelope_but("payloadType", MISSING))
    yield must.refuse("missing-key", "no-signatures", OWNED.envelope_but("signatures", MISSING))
    yield must.refuse("missing-key", "signature-without-keyid", OWNED.envelope_but("signatures.0.keyid", MISSING))
    yield must.refuse("unknown-key", "more-keys", OWNED.envelope_but("cert", "x"))
    yield must.refuse("unknown-key", "signature-names-algorithm", OWNED.envelope_but("signatures.0.alg", "none"))
    yield must.refuse("object", "signature-is-text", OWNED.envelope_but("signatures.0", one["sig"]))
    yield must.refuse("payload-type", "type-is-number", OWNED.envelope_but("payloadType", 1))
    yield must.refuse("payload-type", "type-too-long", OWNED.envelope_but("payloadType", "x" * 257))
    yield must.refuse("signatures", "stripped", OWNED.envelope_but("signatures", []))
    yield must.refuse("signatures", "no-list", OWNED.envelope_but("signatures", one))
    many = [(f"{index}", bytes([index]) * 64) for index in range(17)]
    yield must.refuse("signatures", "seventeen", signed(*many))
    yield must.refuse("keyid", "keyid-is-number", OWNED.envelope_but("signatures.0.keyid", 1))
    garbage = ("f" * 257, bytes(64))
    yield must.refuse("keyid", "keyid-too-long", signed((key_id(OWNER), SIGNATURE), garbage))
    yield must.refuse("duplicate-signature", "duplicated", OWNED.envelope_but("signatures", [one, one]))
    url_safe = {"keyid": "", "sig": one["sig"].replace("+", "-").replace("/", "_")}
    yield must.refuse("duplicate-signature", "duplicated-otherwise", OWNED.envelope_but("signatures", [one, url_safe]))


def _base64() -> Iterator[Vector]:
    must = Must("envelope", "signature-invalid")
    sig = OWNED.envelope_value["signatures"][0]["sig"]
    spare = sig[:-3] + chr(ord(sig[-3]) + 1) + "=="
    for name, text in (
        ("no-padding", sig.rstrip("=")),
        ("spare-bits", spare),
        ("newline", sig[:40] + "\n" + sig[40:]),
        ("alphabets-mixed", "+_" + sig[2:]),
        ("not-ascii", "é" + sig[1:]),
        ("more-padding", sig + "===="),
        ("null", None),
    ):
        yield must.refuse("base64", f"base64-{name}", OWNED.envelope_but("signatures.0.sig", text))
    yield must.refuse("base64", "payload-base64-no-padding", OWNED.envelope_but("payload", "YQ"))
    yield must.refuse("signature-length", "63-bytes", claimed(SIGNATURE[:63]))
    yield must.refuse("signature-length", "empty-signature", claimed(b""))
    yield must.refuse("signature-length", "key-in-signature", claimed(SIGNATURE + raw_public(OWNER)))


def _signatures() -> Iterator[Vector]:
    must, payload = Must("signature", "signature-invalid"), OWNED.payload_bytes
    high = int.from_bytes(SIGNATURE[32:], "little") + ORDER
    yield must.refuse("signature", "zeros", claimed(bytes(64)))
    yield must.refuse("signature", "malleable", claimed(SIGNATURE[:32] + high.to_bytes(32, "little")))
    yield must.refuse("signature", "halves-swapped", claimed(SIGNATURE[32:] + SIGNATURE[:32]))
    yield must.refuse("signature", "small-order-r", claimed((1).to_bytes(32, "little") + bytes(32)))
    yield must.refuse("signature", "of-payload-alone", claimed(OWNER.sign(payload)))
    yield must.refuse("signature", "of-its-digest", claimed(OWNER.sign(sha512(MESSAGE).digest())))
    yield must.refuse("signature", "of-other-type", claimed(OWNER.sign(pae("application/json", payload))))
    yield must.refuse("signature", "of-old-pae", claimed(OWNER.sign(MESSAGE.replace(b"DSSEv1", b"DSSEv0", 1))))
    yield must.refuse("signature", "of-url-safe-type", claimed(OWNER.sign(pae(f" {PAYLOAD_TYPE}", payload))))
    yield must.refuse("signature", "of-manifest", claimed(OWNER.sign(OWNED.manifest_bytes)))
    yield must.refuse("signature", "hmac-of-public-key", claimed(hmac.digest(raw_public(OWNER), MESSAGE, "sha512")))
    yield must.refuse("signature", "ecdsa", claimed(_ecdsa(MESSAGE)))
    yield must.refuse("signature", "other-key-claims-owner", claimed(OTHER.sign(MESSAGE)))
    yield must.refuse("signature", "payload-changed", OWNED.envelope_but("payload", base64.b64encode(b"{}").decode()))
    must = Must("keyid", "signature-invalid")
    yield must.refuse("false-keyid", "names-another", signed((key_id(OTHER), SIGNATURE)))
    yield must.refuse("false-keyid", "is-a-name", signed(("owner", SIGNATURE)))
    yield must.refuse("false-keyid", "in-capitals", signed((key_id(OWNER).upper(), SIGNATURE)))
    yield must.refuse("false-keyid", "forged-besides", signed((key_id(OWNER), SIGNATURE), (key_id(OWNER), bytes(64))))
    both = texts_of(OWNER, OTHER)
    swapped = signed((key_id(OTHER), SIGNATURE), (key_id(OWNER), OTHER.sign(MESSAGE)))
    yield must.refuse("false-keyid", "swapped", swapped, both)


def _ecdsa(message: bytes) -> bytes:
    """P-256, as r and s: also 64 bytes. Deterministic (RFC 6979), so that the vector stays the same."""
    key = ec.derive_private_key(7, ec.SECP256R1())
    r, s = utils.decode_dss_signature(key.sign(message, ec.ECDSA(SHA256(), deterministic_signing=True)))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _strangers() -> Iterator[Vector]:
    must = Must("key", "key-unknown")
    yield must.refuse("untrusted", "stranger", replace(OWNED, keys=(STRANGER,)))
    yield must.refuse("untrusted", "two-strangers", replace(OWNED, keys=(STRANGER, OTHER)))
    yield must.refuse("untrusted", "nobody-trusted", OWNED, ())
    yield must.refuse("untrusted", "unnamed-stranger", signed(("", STRANGER.sign(MESSAGE))))
    yield must.refuse("untrusted", "unnamed-zeros", signed(("", bytes(64))))
    changed = replace(OWNED, payload=dump({**OWNED.statement_value, "predicateType": "x"}))
    yield must.refuse(
        "untrusted", "unnamed-old-signature", replace(changed, envelope=changed.signed_by(("", SIGNATURE)))
    )


def _weak_keys() -> Iterator[Vector]:
    """For the key whose point is neutral, R = [S]B is a signature of everything."""
    must = Must("key", "usage")
    anything = signed(("", (1).to_bytes(32, "little") + bytes(32)))
    for name, y in (
        ("neutral", 1),
        ("neutral-not-reduced", PRIME + 1),
        ("order-2", PRIME - 1),
        ("order-4", 0),
        ("order-8", ORDER_8),
        ("order-8-negative", PRIME - ORDER_8),
        ("neutral-with-sign", 2**255 + 1),
        ("not-reduced", 2**255 - 2),
    ):
        yield must.refuse("key", name, anything, (public_text(y.to_bytes(32, "little")),))
    yield must.refuse("key", "short", OWNED, (public_text(raw_public(OWNER)[:31]),))
    yield must.refuse("key", "other-algorithm", OWNED, (texts_of(OWNER)[0].replace("ed25519", "ed448"),))
