"""Merkle trees of RFC 6962 section 2.1, over SHA-256.

Leaves and inner nodes hash under different prefixes, so that no node can pose as a leaf. The functions take leaf hashes
(`leaf_hash`), 32 bytes each.
"""

from collections.abc import Sequence
from hashlib import sha256

from m2kt.errors import DigestMismatch


def leaf_hash(data: bytes) -> bytes:
    """SHA-256(0x00 || data)."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return sha256(b"\x01" + left + right).digest()


def root(hashes: Sequence[bytes]) -> bytes:
    """Merkle tree hash of leaf hashes; of no leaves, SHA-256 of nothing."""
    if not hashes:
        return sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    split = _split(len(hashes))
    return node_hash(root(hashes[:split]), root(hashes[split:]))


def inclusion_proof(hashes: Sequence[bytes], index: int) -> list[bytes]:
    """The audit path of leaf ``index`` (RFC 6962 section 2.1.1): sibling hashes, nearest first."""
    if not 0 <= index < len(hashes):
        raise IndexError(f"no leaf {index} in a tree of {len(hashes)}")
    if len(hashes) == 1:
        return []
    split = _split(len(hashes))
    left, right = hashes[:split], hashes[split:]
    if index < split:
        return [*inclusion_proof(left, index), root(right)]
    return [*inclusion_proof(right, index - split), root(left)]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected: bytes) -> None:
    """Refuse with `DigestMismatch` unless leaf hash ``leaf`` stands at ``index`` of the tree of ``size`` leaves whose
    root is ``expected`` (the algorithm of RFC 9162 section 2.1.3.2)."""
    if not 0 <= index < size:
        raise DigestMismatch(f"no leaf {index} in a tree of {size}")
    node, position, last = leaf, index, size - 1
    for sibling in proof:
        if last == 0:
            raise DigestMismatch("the inclusion proof is too long")
        if position % 2 or position == last:
            node = node_hash(sibling, node)
            while position % 2 == 0 and position:  # levels where this node is alone on the right edge
                position, last = position // 2, last // 2
        else:
            node = node_hash(node, sibling)
        position, last = position // 2, last // 2
    if last or node != expected:
        raise DigestMismatch("the inclusion proof does not lead to the expected root")


def _split(size: int) -> int:
    """Largest power of two smaller than ``size``."""
    return int(1 << (size - 1).bit_length() - 1)
