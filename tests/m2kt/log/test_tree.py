"""Proofs over hashes that are asked for one by one equal those over a list, and nothing else verifies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2kt.errors import ProofInvalid
from m2kt.log import tree
from m2kt.packet import merkle

LEAVES = [bytes.fromhex(each) for each in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657")]
LEAVES.append(bytes(range(0x60, 0x70)))
ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    4: "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    6: "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    7: "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}
# Consistency proofs of the same tree in the Certificate Transparency code base (merkletree tests).
CONSISTENCY = {
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}


def reading(hashes: list[bytes]) -> tree.Read:
    return lambda level, index: merkle.root(hashes[index << level : (index + 1) << level])


def known() -> list[bytes]:
    return [merkle.leaf_hash(each) for each in LEAVES]


@pytest.mark.parametrize(("size", "expected"), ROOTS.items())
def test_roots_match_the_vectors_of_certificate_transparency(size: int, expected: str) -> None:
    assert tree.root(reading(known()), size).hex() == expected


@pytest.mark.parametrize(("sizes", "expected"), CONSISTENCY.items())
def test_consistency_proofs_match_the_vectors(sizes: tuple[int, int], expected: list[str]) -> None:
    proof = tree.consistency_proof(reading(known()), *sizes)
    assert [each.hex() for each in proof] == expected
    roots = (bytes.fromhex(ROOTS[each]) for each in sizes)
    tree.verify_consistency(*sizes, *roots, proof)


def test_the_empty_tree_is_the_hash_of_nothing() -> None:
    assert tree.root(reading([]), 0) == merkle.root([])


@pytest.mark.parametrize("new", range(1, 36))
def test_every_tree_is_proven_to_begin_every_later_one_and_no_other(new: int) -> None:
    hashes = [merkle.leaf_hash(bytes([each])) for each in range(new)]
    roots = [merkle.root(hashes[:each]) for each in range(new + 1)]
    for old in range(new + 1):
        proof = tree.consistency_proof(reading(hashes), old, new)
        tree.verify_consistency(old, new, roots[old], roots[new], proof)
        with pytest.raises(ProofInvalid):
            tree.verify_consistency(old, new, bytes(32), roots[new], proof)
        if old:
            with pytest.raises(ProofInvalid):
                tree.verify_consistency(old, new, roots[old], bytes(32), proof)
            with pytest.raises(ProofInvalid):
                tree.verify_consistency(old, new, roots[old], roots[new], [*proof, bytes(32)])


@given(st.integers(1, 300), st.data())
def test_audit_paths_equal_those_of_a_list_and_verify(size: int, data: st.DataObject) -> None:
    hashes = [merkle.leaf_hash(each.to_bytes(2)) for each in range(size)]
    index = data.draw(st.integers(0, size - 1))
    proof = tree.inclusion_proof(reading(hashes), index, size)
    assert proof == merkle.inclusion_proof(hashes, index)
    merkle.verify_inclusion(hashes[index], index, size, proof, merkle.root(hashes))


@given(st.integers(2, 300), st.data())
def test_altered_consistency_proofs_are_refused(new: int, data: st.DataObject) -> None:
    hashes = [merkle.leaf_hash(each.to_bytes(2)) for each in range(new)]
    old = data.draw(st.integers(1, new - 1))
    proof = tree.consistency_proof(reading(hashes), old, new)
    at = data.draw(st.integers(0, len(proof) - 1))
    flipped = bytes([proof[at][0] ^ 1]) + proof[at][1:]
    altered = data.draw(st.sampled_from([proof[:-1], [*proof, flipped], [*proof[:at], flipped, *proof[at + 1 :]]]))
    with pytest.raises(ProofInvalid):
        tree.verify_consistency(old, new, merkle.root(hashes[:old]), merkle.root(hashes), altered)


@given(st.integers(2, 200), st.data())
def test_a_tree_in_which_an_old_entry_was_changed_is_no_continuation(new: int, data: st.DataObject) -> None:
    hashes = [merkle.leaf_hash(each.to_bytes(2)) for each in range(new)]
    old = data.draw(st.integers(1, new))
    forged = list(hashes)
    forged[data.draw(st.integers(0, old - 1))] = merkle.leaf_hash(b"another")
    proof = tree.consistency_proof(reading(forged), old, new)
    with pytest.raises(ProofInvalid):
        tree.verify_consistency(old, new, merkle.root(hashes[:old]), merkle.root(forged), proof)


@pytest.mark.parametrize("sizes", [(3, 2), (-1, 2)])
def test_a_tree_that_shrank_has_no_proof(sizes: tuple[int, int]) -> None:
    with pytest.raises(IndexError):
        tree.consistency_proof(reading(known()), *sizes)
    with pytest.raises(ProofInvalid):
        tree.verify_consistency(*sizes, bytes(32), bytes(32), [])


def test_only_the_right_root_is_that_of_an_empty_tree() -> None:
    with pytest.raises(ProofInvalid, match="empty"):
        tree.verify_consistency(0, 3, bytes(32), bytes(32), [])
