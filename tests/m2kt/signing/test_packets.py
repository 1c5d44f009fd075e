import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from m2kt.errors import ContainerError, DigestMismatch, M2KTError, SignatureError, TooLarge, UnknownKey
from m2kt.packet import Limits, Packet, PacketId, Parts, build_packet, canonical
from m2kt.packet.container import pack, unpack
from m2kt.signing import (
    Envelope,
    PrivateKey,
    Statement,
    Subject,
    TrustStore,
    add_signature,
    dsse,
    key_id,
    sign_packet,
    verify_packet,
)
from m2kt.signing.statement import PACKET_PREDICATE, PAYLOAD_TYPE

GOLDEN = Path(__file__).parent / "vectors" / "small.m2kt"


def resigned(data: bytes, key: PrivateKey, statement: Statement, payload_type: str = PAYLOAD_TYPE) -> bytes:
    """The container with another statement, properly signed."""
    envelope = dsse.sign(payload_type, statement.to_bytes(), key)
    return pack(replace(unpack(data), envelope=envelope.to_bytes()))


def statement_of(packet: Packet, **changes: object) -> Statement:
    predicate = canonical.loads(packet.manifest_bytes, max_bytes=1 << 22)
    fields = {
        "subjects": (Subject(packet.manifest.reference, packet.packet_id),),
        "predicate_type": PACKET_PREDICATE,
        "predicate": predicate,
    }
    return Statement(**(fields | changes))  # type: ignore[arg-type]


def test_what_is_signed_verifies(packet: Packet, signed: bytes, trust: TrustStore) -> None:
    verified = verify_packet(signed, trust)
    assert verified.packet.packet_id == packet.packet_id
    assert verified.key_ids == tuple(trust)


def test_bytes_are_the_golden_ones(signed: bytes) -> None:
    """M2KT_WRITE_VECTORS=1 writes the file (then look at the diff)."""
    if os.environ.get("M2KT_WRITE_VECTORS"):
        GOLDEN.write_bytes(signed)
    assert GOLDEN.read_bytes() == signed


@pytest.mark.parametrize("mask", [0x01, 0xFF])
def test_every_flipped_byte_is_refused(signed: bytes, trust: TrustStore, mask: int) -> None:
    for position in range(len(signed)):
        data = bytearray(signed)
        data[position] ^= mask
        with pytest.raises(M2KTError):
            verify_packet(bytes(data), trust)


def test_every_truncation_is_refused(signed: bytes, trust: TrustStore) -> None:
    for length in range(len(signed)):
        with pytest.raises(ContainerError):
            verify_packet(signed[:length], trust)


@pytest.mark.parametrize("tail", [b"\0", b"\n", b"x" * 100])
def test_appended_bytes_are_refused(signed: bytes, trust: TrustStore, tail: bytes) -> None:
    with pytest.raises(ContainerError):
        verify_packet(signed + tail, trust)


def test_a_stranger_is_refused(signed: bytes, other_key: PrivateKey) -> None:
    for trust in (TrustStore(), TrustStore.of([other_key.public_key()])):
        with pytest.raises(UnknownKey):
            verify_packet(signed, trust)


def test_limits_hold(signed: bytes, trust: TrustStore) -> None:
    with pytest.raises(TooLarge):
        verify_packet(signed, trust, Limits(max_packet_bytes=len(signed) - 1))


def test_a_statement_about_another_packet_is_refused(
    packet: Packet, signed: bytes, key: PrivateKey, trust: TrustStore
) -> None:
    other = PacketId("sha256:" + "00" * 32)
    for subject in (Subject(packet.manifest.reference, other), Subject("chains/small@9.9.9", packet.packet_id)):
        with pytest.raises(DigestMismatch, match="another packet"):
            verify_packet(resigned(signed, key, statement_of(packet, subjects=(subject,))), trust)


def test_a_statement_with_another_manifest_is_refused(
    packet: Packet, signed: bytes, key: PrivateKey, trust: TrustStore
) -> None:
    predicate: Mapping[str, object] = statement_of(packet).predicate | {"licence": "MIT"}  # type: ignore[operator]
    with pytest.raises(DigestMismatch, match="another manifest"):
        verify_packet(resigned(signed, key, statement_of(packet, predicate=predicate)), trust)


def test_a_statement_of_another_type_or_with_more_subjects_is_refused(
    packet: Packet, signed: bytes, key: PrivateKey, trust: TrustStore
) -> None:
    subject = Subject(packet.manifest.reference, packet.packet_id)
    for statement in (
        statement_of(packet, predicate_type="urn:m2kt:scan:v1"),
        statement_of(packet, subjects=(subject, subject)),
    ):
        with pytest.raises(SignatureError):
            verify_packet(resigned(signed, key, statement), trust)
    with pytest.raises(SignatureError, match=r"^payload-type:"):
        verify_packet(resigned(signed, key, statement_of(packet), "application/json"), trust)


def test_tensors_of_another_packet_are_refused(packet: Packet, signed: bytes, trust: TrustStore) -> None:
    changed = dict(packet.tensors)
    changed["graph/templates"] = packet.tensors["graph/templates"] + 1  # type: ignore[operator]
    fields = {each: getattr(packet.manifest, each) for each in packet.manifest.__dataclass_fields__}
    fields = {each: value for each, value in fields.items() if each not in ("tensors", "schema")}
    other = build_packet(packet.manifest.describe(tensors=changed, **fields), changed)
    parts = unpack(signed)
    for mixed in (
        Parts(parts.envelope, parts.manifest, other.tensor_bytes),
        Parts(parts.envelope, other.manifest_bytes, other.tensor_bytes),
        Parts(parts.envelope, other.manifest_bytes, parts.tensors),
    ):
        with pytest.raises(DigestMismatch):
            verify_packet(pack(mixed), trust)


def test_an_added_signature_keeps_the_identity(signed: bytes, key: PrivateKey, other_key: PrivateKey) -> None:
    both = add_signature(signed, other_key)
    for each in (key, other_key):
        ids = verify_packet(both, TrustStore.of([each.public_key()])).key_ids
        assert ids == (key_id(each.public_key()),)
    trust = TrustStore.of([other_key.public_key(), key.public_key()])
    assert len(verify_packet(both, trust).key_ids) == 2
    assert add_signature(both, key) == both


def test_nobody_signs_a_container_that_disagrees_with_its_statement(
    packet: Packet, signed: bytes, key: PrivateKey, other_key: PrivateKey
) -> None:
    other = Subject(packet.manifest.reference, PacketId("sha256:" + "00" * 32))
    with pytest.raises(DigestMismatch):
        add_signature(resigned(signed, key, statement_of(packet, subjects=(other,))), other_key)
    with pytest.raises(SignatureError):
        add_signature(resigned(signed, key, statement_of(packet), "application/json"), other_key)


def test_a_false_hint_shows_that_the_envelope_was_altered(signed: bytes, key: PrivateKey, trust: TrustStore) -> None:
    parts = unpack(signed)
    envelope = Envelope.from_bytes(parts.envelope)
    (true,) = envelope.signatures
    for signatures in (
        (replace(true, keyid="f" * 64),),
        (true, dsse.Signature(true.keyid, bytes(64))),
    ):
        data = pack(replace(parts, envelope=replace(envelope, signatures=signatures).to_bytes()))
        with pytest.raises(SignatureError):
            verify_packet(data, trust)
    unnamed = replace(envelope, signatures=(replace(true, keyid=""),))
    assert verify_packet(pack(replace(parts, envelope=unnamed.to_bytes())), trust).key_ids


def test_unsigned_packets_have_no_container(packet: Packet) -> None:
    with pytest.raises(SignatureError):
        sign_packet(packet)
