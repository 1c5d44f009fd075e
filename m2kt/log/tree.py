"""Proofs of RFC 6962 trees that are too large to hold: every hash is asked for by its place.

``read(level, index)`` gives the hash over the ``2 ** level`` leaves from ``index * 2 ** level``, all of them present.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256

from m2kt.errors import ProofInvalid
from m2kt.packet.merkle import node_hash

Read = Callable[[int, int], bytes]

EMPTY_ROOT = sha256(b"").digest()
MAX_PROOF_HASHES = 63
"""C2SP's bound on a proof; trees stay far below ``2 ** 63`` leaves."""


def root(read: Read, size: int) -> bytes:
    """Merkle tree hash of the first ``size`` leaves."""
    return _hash(read, 0, size) if size else EMPTY_ROOT


def inclusion_proof(read: Read, index: int, size: int) -> list[bytes]:
    """The audit path of leaf ``index`` in a tree of ``size`` (RFC 6962 section 2.1.1), nearest sibling first."""
    if not 0 <= index < size:
        raise IndexError(f"no leaf {index} in a tree of {size}")
    start, stop, found = 0, size, []
    while stop - start > 1:
        middle = start + _split(stop - start)
        if index < middle:
            found.append(_hash(read, middle, stop))
            stop = middle
        else:
            found.append(_hash(read, start, middle))
            start = middle
    return found[::-1]


def consistency_proof(read: Read, old: int, new: int) -> list[bytes]:
    """PROOF(old, D[new]) of RFC 6962 section 2.1.2; empty from nothing and to itself."""
    if not 0 <= old <= new:
        raise IndexError(f"no tree of {old} leaves came before one of {new}")
    if old in (0, new):
        return []
    start, stop, found = 0, new, []
    while old != stop:
        middle = start + _split(stop - start)
        if old <= middle:
            found.append(_hash(read, middle, stop))
            stop = middle
        else:
            found.append(_hash(read, start, middle))
            start = middle
    if start:  # else the old tree is a whole subtree, whose hash the verifier has
        found.append(_hash(read, start, stop))
    return found[::-1]


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Refuse with `ProofInvalid` unless the tree of ``new`` leaves begins with the one of ``old`` (the algorithm of
    RFC 9162 section 2.1.4.2)."""
    if not 0 <= old <= new:
        raise ProofInvalid(f"no tree of {old} leaves came before one of {new}")
    if old in (0, new):
        return _check_trivial(old, new, (old_root, new_root), proof)
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not path:
        raise ProofInvalid("the consistency proof is too short")
    first, last = old - 1, new - 1
    while first % 2:
        first, last = first // 2, last // 2
    before = after = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise ProofInvalid("the consistency proof is too long")
        if first % 2 or first == last:
            before, after = node_hash(sibling, before), node_hash(sibling, after)
            while first % 2 == 0 and first:  # levels where the old tree's edge has no left sibling
                first, last = first // 2, last // 2
        else:
            after = node_hash(after, sibling)
        first, last = first // 2, last // 2
    if last or before != old_root or after != new_root:
        raise ProofInvalid(f"the tree of {new} leaves does not begin with that of {old}")


def _check_trivial(old: int, new: int, roots: tuple[bytes, bytes], proof: Sequence[bytes]) -> None:
    if proof:
        raise ProofInvalid("the consistency proof is too long")
    if old == 0 and roots[0] != EMPTY_ROOT:
        raise ProofInvalid("this is not the root of an empty tree")
    if old == new and roots[0] != roots[1]:
        raise ProofInvalid(f"two trees of {new} leaves have different roots")


def _hash(read: Read, start: int, stop: int) -> bytes:
    """MTH(D[start:stop]): the largest complete subtrees from the left, joined from the right."""
    parts = []
    while start < stop:
        level = (stop - start).bit_length() - 1
        parts.append(read(level, start >> level))
        start += 1 << level
    found = parts.pop()
    while parts:
        found = node_hash(parts.pop(), found)
    return found


def _split(size: int) -> int:
    """Largest power of two smaller than ``size``."""
    return int(1 << (size - 1).bit_length() - 1)
