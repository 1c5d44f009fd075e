"""A proof in one text (C2SP tlog-proof) that an entry stands in a log; it verifies offline."""

import base64
import binascii
import re
from dataclasses import dataclass

from m2kt.errors import DigestMismatch, ProofInvalid
from m2kt.log.checkpoints import Policy, Seen, open_checkpoint
from m2kt.log.tree import MAX_PROOF_HASHES
from m2kt.packet.merkle import leaf_hash, verify_inclusion

MAGIC = "c2sp.org/tlog-proof@v1"
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,17})", re.ASCII)


@dataclass(frozen=True)
class Proof:
    """Where an entry stands, the audit path, and the checkpoint's note. Nothing of it is verified."""

    index: int
    hashes: tuple[bytes, ...]
    note: bytes

    def to_text(self) -> str:
        return "\n".join([MAGIC, f"index {self.index}", *encode_hashes(self.hashes), "", self.note.decode()])

    @classmethod
    def from_text(cls, text: str) -> "Proof":
        """Parse strictly; `ProofInvalid` for anything that `to_text` would not have written (no ``extra`` line)."""
        head, _, note = text.partition("\n\n")
        magic, *lines = head.split("\n")
        index = _INDEX.fullmatch(lines[0]) if lines else None
        if magic != MAGIC or index is None or len(lines) > 1 + MAX_PROOF_HASHES:
            raise ProofInvalid("this is not a proof of inclusion")
        return cls(int(index[1]), decode_hashes(lines[1:]), note.encode())


def verify(proof: Proof, entry: bytes, policy: Policy) -> Seen:
    """The checkpoint in the proof, once its signatures hold and ``entry`` stands in its tree at ``proof.index``."""
    seen = open_checkpoint(proof.note, policy)
    checkpoint = seen.checkpoint
    try:
        verify_inclusion(leaf_hash(entry), proof.index, checkpoint.size, proof.hashes, checkpoint.root)
    except DigestMismatch as error:
        raise ProofInvalid(error.detail) from error
    return seen


def encode_hashes(hashes: tuple[bytes, ...] | list[bytes]) -> list[str]:
    """One line of base64 for each hash."""
    return [base64.b64encode(each).decode() for each in hashes]


def decode_hashes(lines: list[str]) -> tuple[bytes, ...]:
    """What `encode_hashes` wrote; `ProofInvalid` for another spelling."""
    try:
        found = tuple(base64.b64decode(each, validate=True) for each in lines)
    except (binascii.Error, ValueError) as error:
        raise ProofInvalid("a hash of a proof is 32 bytes in base64") from error
    if any(len(each) != 32 for each in found) or encode_hashes(found) != lines:
        raise ProofInvalid("a hash of a proof is 32 bytes in base64")
    return found
