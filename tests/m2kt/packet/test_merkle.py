from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2kt.errors import DigestMismatch
from m2kt.packet import merkle

# The leaves and roots that the Certificate Transparency code base tests with (RFC 6962 section 2.1.3 has the trees).
LEAVES = [bytes.fromhex(each) for each in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657")]
LEAVES.append(bytes(range(0x60, 0x70)))
ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


@pytest.mark.parametrize(("size", "expected"), ROOTS.items())
def test_roots_match_known_vectors(size: int, expected: str) -> None:
    assert merkle.root([merkle.leaf_hash(each) for each in LEAVES[:size]]).hex() == expected


def test_the_empty_tree_is_the_hash_of_nothing() -> None:
    assert merkle.root([]) == sha256(b"").digest()


@pytest.mark.parametrize("size", range(1, 34))
def test_every_leaf_is_proven_and_nowhere_else(size: int) -> None:
    hashes = [merkle.leaf_hash(bytes([each])) for each in range(size)]
    root = merkle.root(hashes)
    for index in range(size):
        proof = merkle.inclusion_proof(hashes, index)
        merkle.verify_inclusion(hashes[index], index, size, proof, root)
        for other in range(size):
            if other != index:
                with pytest.raises(DigestMismatch):
                    merkle.verify_inclusion(hashes[index], other, size, proof, root)


@given(st.integers(1, 60), st.data())
def test_altered_proofs_are_refused(size: int, data: st.DataObject) -> None:
    hashes = [merkle.leaf_hash(bytes([each])) for each in range(size)]
    index = data.draw(st.integers(0, size - 1))
    proof, root = merkle.inclusion_proof(hashes, index), merkle.root(hashes)
    altered = data.draw(st.sampled_from([[*proof, root], proof[:-1], proof[::-1], [bytes(32), *proof[1:]]]))
    if altered != proof:
        with pytest.raises(DigestMismatch):
            merkle.verify_inclusion(hashes[index], index, size, altered, root)


@pytest.mark.parametrize(("index", "size"), [(-1, 2), (2, 2), (0, 0)])
def test_positions_outside_the_tree_are_refused(index: int, size: int) -> None:
    with pytest.raises(DigestMismatch):
        merkle.verify_inclusion(bytes(32), index, size, [bytes(32)], bytes(32))


def test_a_node_cannot_pose_as_a_leaf() -> None:
    left, right = merkle.leaf_hash(b"a"), merkle.leaf_hash(b"b")
    assert merkle.leaf_hash(left + right) != merkle.node_hash(left, right)
