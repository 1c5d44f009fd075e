"""A proof of inclusion in one text."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2kt.errors import CheckpointInvalid, M2KTError, ProofInvalid
from m2kt.log import Proof, proofs, tree
from m2kt.signing.keys import generate

from .conftest import MemoryLog


def proof_of(log: MemoryLog, index: int) -> Proof:
    return Proof(index, tuple(tree.inclusion_proof(log.read, index, len(log.entries))), log.note())


def test_every_entry_is_proven_and_its_text_says_the_same(grown: MemoryLog) -> None:
    for index, entry in enumerate(grown.entries):
        proof = proof_of(grown, index)
        assert Proof.from_text(proof.to_text()) == proof
        assert proofs.verify(proof, entry, grown.policy).checkpoint == grown.checkpoint()


def test_the_text_is_that_of_the_specification(grown: MemoryLog) -> None:
    lines = proof_of(grown, 3).to_text().split("\n")
    assert lines[:2] == ["c2sp.org/tlog-proof@v1", "index 3"]
    assert lines[6] == ""
    assert lines[7:9] == ["log.test/m2kt", "10"]


def test_another_entry_another_place_and_another_log_are_refused(grown: MemoryLog) -> None:
    proof = proof_of(grown, 3)
    with pytest.raises(ProofInvalid):
        proofs.verify(proof, b"another", grown.policy)
    with pytest.raises(ProofInvalid):
        proofs.verify(replace(proof, index=4), grown.entries[3], grown.policy)
    with pytest.raises(ProofInvalid):
        proofs.verify(replace(proof, index=10), grown.entries[3], grown.policy)
    with pytest.raises(CheckpointInvalid):
        proofs.verify(proof, grown.entries[3], replace(grown.policy, keys=(generate().public_key(),)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("c2sp.org/tlog-proof@v1", "c2sp.org/tlog-proof@v2"),
        ("index 3", "index 03"),
        ("index 3", "index -3"),
        ("index 3", "extra AAAA\nindex 3"),
        ("index 3", "index 3 "),
        ("index 3\n", "index 3\nAAAA\n"),
        ("index 3\n", "index 3\n" + ("A" * 43 + "=\n") * 63),
    ],
)
def test_other_texts_are_no_proof(grown: MemoryLog, old: str, new: str) -> None:
    text = proof_of(grown, 3).to_text()
    with pytest.raises(ProofInvalid):
        Proof.from_text(text.replace(old, new, 1))


@given(st.text(max_size=200))
def test_any_text_is_a_proof_or_refused_by_name(text: str) -> None:
    try:
        found = Proof.from_text("c2sp.org/tlog-proof@v1\nindex 1\n" + text)
    except M2KTError:
        return
    assert found.index == 1
