"""Signed packets: a DSSE envelope over an in-toto statement whose subject is the packet id and whose predicate is the
manifest, in one container with both."""

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass

from m2kt.errors import DigestMismatch, SignatureError
from m2kt.packet import Limits, Packet, canonical, check_claim, claim_parts, read_parts, tensors
from m2kt.packet.container import Parts, pack, unpack
from m2kt.packet.manifest import MAX_MANIFEST_BYTES
from m2kt.packet.rules import refuse
from m2kt.signing import dsse
from m2kt.signing.keys import KeyId, PrivateKey, TrustStore
from m2kt.signing.statement import PACKET_PREDICATE, PAYLOAD_TYPE, Statement, Subject, check_about_one

WORTH_A_THREAD = 4 * 2**20
"""Of less, the digests are computed faster than a thread begins."""


@dataclass(frozen=True, eq=False)
class VerifiedPacket:
    """A packet whose signature was checked, and the trusted keys that signed it."""

    packet: Packet
    key_ids: tuple[KeyId, ...]


def sign_packet(packet: Packet, *private_keys: PrivateKey) -> bytes:
    """The container of ``packet`` with a signature of each key."""
    subject = Subject(packet.manifest.reference, packet.packet_id)
    predicate = canonical.loads(packet.manifest_bytes, max_bytes=MAX_MANIFEST_BYTES)
    statement = Statement((subject,), PACKET_PREDICATE, predicate).to_bytes()
    envelope = dsse.sign(PAYLOAD_TYPE, statement, *private_keys)
    return pack(Parts(envelope.to_bytes(), packet.manifest_bytes, packet.tensor_bytes))


def verify_packet(data: bytes | bytearray, trust: TrustStore, limits: Limits | None = None) -> VerifiedPacket:
    """The packet in ``data``, once all of this holds:

    1. the container has its three parts, within ``limits`` (`ContainerError`, `TooLarge`);
    2. a trusted key signed the envelope (`UnknownKey`, `SignatureError`);
    3. no key id in the envelope points at another key than the one that verified (`SignatureError`);
    4. the signed payload is a packet statement with one subject (`SignatureError`);
    5. manifest and tensors are well-formed and agree (`PacketError` and its children);
    6. the statement is about this packet: its subject is the packet id computed from the bytes, its name the packet's
       name and version, and its predicate the manifest, byte for byte (`DigestMismatch`).

    Whether the signer *may* publish this packet, and whether it was scanned or revoked, is the broker's to say.
    """
    # 1. container
    parts = unpack(data, limits)
    # 2. signature
    envelope = dsse.Envelope.from_bytes(parts.envelope)
    verified = dsse.verify(envelope, trust, PAYLOAD_TYPE)
    # 3. hints
    _refuse_false_hints(envelope, verified, trust)
    # 4. statement
    statement = _packet_statement(verified.payload)
    # 5. structure
    packet = read_parts(parts)
    # 6. binding
    _check_binding(statement, packet)
    return VerifiedPacket(packet, verified.key_ids)


@dataclass(frozen=True, eq=False)
class Claim:
    """A packet whose manifest was checked and whose tensors were not."""

    packet: Packet
    signatures: Mapping[KeyId, dsse.Signature]
    """Of trusted keys."""
    digests: Callable[[], Mapping[str, str]]

    def verified(self) -> VerifiedPacket:
        """The packet, once its tensors are those that were signed for; what `verify_packet` raises."""
        check_claim(self.packet, self.digests())
        return VerifiedPacket(self.packet, tuple(self.signatures))


def claim_packet(data: bytes | bytearray, trust: TrustStore, limits: Limits | None, aside: Executor | None) -> Claim:
    """`verify_packet` for who has other work to do meanwhile: all of its steps but the bytes of the tensors, whose
    digests a thread of ``aside`` computes where there is enough to do. Nothing may be done with the packet that cannot
    be taken back before `Claim.verified` has returned."""
    parts = unpack(data, limits)
    hashed = aside.submit(tensors.digests, parts.tensors) if aside and len(data) >= WORTH_A_THREAD else None
    envelope = dsse.Envelope.from_bytes(parts.envelope)
    verified = dsse.verify(envelope, trust, PAYLOAD_TYPE)
    _refuse_false_hints(envelope, verified, trust)
    statement = _packet_statement(verified.payload)
    packet = claim_parts(parts)
    _check_binding(statement, packet)
    signed = zip(verified.signers, envelope.signatures, strict=True)
    signatures = {who: each for who, each in signed if who is not None}
    return Claim(packet, signatures, hashed.result if hashed else dict[str, str])


def add_signature(data: bytes, key: PrivateKey) -> bytes:
    """The container with one signature more. The key vouches for the packet, so everything except the signatures that
    are already there is checked first."""
    parts = unpack(data)
    envelope = dsse.Envelope.from_bytes(parts.envelope)
    dsse.check_type(envelope, PAYLOAD_TYPE)
    _check_binding(_packet_statement(envelope.payload), read_parts(parts))
    signed = dsse.add_signature(envelope, key).to_bytes()
    return pack(Parts(signed, parts.manifest, parts.tensors))


def _refuse_false_hints(envelope: dsse.Envelope, verified: dsse.Verified, trust: TrustStore) -> None:
    """Key ids are not signed. Trusting one would be wrong; a wrong one shows that the container was altered."""
    for signature, signer in zip(envelope.signatures, verified.signers, strict=True):
        if signer is not None and signature.keyid not in ("", signer):
            refuse("false-keyid", "it names another key than the one that made its signature", SignatureError)
        if signer is None and signature.keyid in trust:
            refuse("false-keyid", "a signature claims a trusted key, and is not that key's", SignatureError)


def _packet_statement(payload: bytes) -> Statement:
    statement = Statement.from_bytes(payload)
    check_about_one(statement, PACKET_PREDICATE)
    return statement


def _check_binding(statement: Statement, packet: Packet) -> None:
    if statement.subjects != (Subject(packet.manifest.reference, packet.packet_id),):
        refuse("other-packet", "the signed statement is about another packet", DigestMismatch)
    if canonical.dumps(dict(statement.predicate)) != packet.manifest_bytes:
        refuse("other-manifest", "the signed statement holds another manifest", DigestMismatch)
