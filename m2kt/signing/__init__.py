"""Signatures on packets, statements and requests. Verification returns the verified thing or raises."""

from m2kt.signing.dsse import Envelope, Verified
from m2kt.signing.keys import KeyId, PrivateKey, PublicKey, TrustStore, key_id
from m2kt.signing.packets import VerifiedPacket, add_signature, sign_packet, verify_packet
from m2kt.signing.statement import Attestation, Statement, Subject, attest, read_attestation

__all__ = [
    "Attestation",
    "Envelope",
    "KeyId",
    "PrivateKey",
    "PublicKey",
    "Statement",
    "Subject",
    "TrustStore",
    "Verified",
    "VerifiedPacket",
    "add_signature",
    "attest",
    "key_id",
    "read_attestation",
    "sign_packet",
    "verify_packet",
]
