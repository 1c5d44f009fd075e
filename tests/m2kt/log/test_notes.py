"""Signed notes: the vector of Go's checksum database, and what a strict reader refuses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2kt.errors import CheckpointInvalid, M2KTError, UsageError
from m2kt.log.notes import Kind, Note, NoteKey, NoteSignature, cosign, sign, verify
from m2kt.signing.keys import generate

# golang.org/x/mod/sumdb/note, the example of the package that C2SP signed-note describes.
NEUMANN = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
LINE = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"


def test_the_note_of_the_reference_implementation_verifies() -> None:
    key = NoteKey.parse(NEUMANN)
    assert (key.name, key.hash.hex(), key.kind, key.text) == ("PeterNeumann", "c74f20a3", Kind.NOTE, NEUMANN)
    note = Note.from_bytes(f"{TEXT}\n{LINE}".encode())
    assert [each.by for each in verify(note, [key])] == [key]
    with pytest.raises(CheckpointInvalid, match="is not"):
        verify(Note(TEXT + "more\n", note.signatures), [key])


def test_a_cosignature_is_over_the_header_that_the_specification_has() -> None:
    key, text = generate(), "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    line = cosign("witness.example.com/w1", key, text, 1679315147)
    assert line.data[:8] == (1679315147).to_bytes(8, "big")
    key.public_key().verify(line.data[8:], b"cosignature/v1\ntime 1679315147\n" + text.encode())
    known = NoteKey("witness.example.com/w1", key.public_key(), Kind.COSIGNATURE)
    assert [each.time for each in verify(Note(text, (line,)), [known])] == [1679315147]


def test_one_key_has_another_hash_for_each_kind_and_name() -> None:
    key = generate().public_key()
    hashes = {NoteKey(name, key, kind).hash for name in ("a", "b") for kind in Kind}
    assert len(hashes) == 4


def test_a_plain_signature_is_no_cosignature_and_the_other_way_round() -> None:
    key, text = generate(), "log\n1\nroot\n"
    plain, timed = NoteKey("log", key.public_key(), Kind.NOTE), NoteKey("log", key.public_key(), Kind.COSIGNATURE)
    as_timed = NoteSignature("log", timed.hash, bytes(8) + sign("log", key, text).data)
    as_plain = NoteSignature("log", plain.hash, cosign("log", key, text, 0).data[8:])
    for each in (as_timed, as_plain):
        with pytest.raises(CheckpointInvalid, match="is not"):
            verify(Note(text, (each,)), [plain, timed])


def test_strangers_are_skipped_and_known_names_must_verify() -> None:
    key, text = generate(), "log\n1\nroot\n"
    known, stranger = NoteKey("log", key.public_key(), Kind.NOTE), sign("log", generate(), text)
    own = sign("log", key, text)
    assert len(verify(Note(text, (stranger, own)), [known])) == 1
    with pytest.raises(CheckpointInvalid, match="no key"):
        verify(Note(text, (stranger,)), [known])
    forged = NoteSignature("log", known.hash, stranger.data)
    with pytest.raises(CheckpointInvalid, match="is not"):
        verify(Note(text, (forged, own)), [known])
    with pytest.raises(CheckpointInvalid, match="twice"):
        verify(Note(text, (own, own)), [known])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"text\n",
        f"{TEXT}{LINE}".encode(),
        f"{TEXT}\n{LINE}".encode()[:-1],
        f"{TEXT}\n{LINE}\n".encode(),
        f"{TEXT}\n\t{LINE}".encode(),
        f"{TEXT}\n{LINE}".replace("—", "-").encode(),
        f"{TEXT}\n{LINE}".replace("PeterNeumann x", "Peter Neumann x").encode(),
        f"{TEXT}\n{LINE}".replace("PeterNeumann x", "Peter+Neumann x").encode(),
        f"{TEXT}\n{LINE}".replace("PeterNeumann x", " x").encode(),
        f"{TEXT}\n{LINE}".replace("AM=", "AN=").encode(),
        f"{TEXT}\n{LINE}".replace("AM=", "AM").encode(),
        f"{TEXT}\n— PeterNeumann x08goA==\n".encode()[:-9] + b"\n",
        f"{TEXT}\n{LINE * 65}".encode(),
        b"\xff" + f"{TEXT}\n{LINE}".encode(),
        f"{'a' * 70_000}\n\n{LINE}".encode(),
        f"{TEXT}\r\n{LINE}".encode(),
    ],
)
def test_what_is_no_note_is_refused(data: bytes) -> None:
    with pytest.raises(CheckpointInvalid):
        Note.from_bytes(data)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_note_or_refused_by_name(data: bytes) -> None:
    try:
        note = Note.from_bytes(data)
    except M2KTError:
        return
    assert note.to_bytes() == data


@pytest.mark.parametrize(
    "text",
    [
        "",
        "PeterNeumann",
        NEUMANN.replace("c74f20a3", "c74f20a4"),
        NEUMANN.replace("Peter", "Paul"),
        NEUMANN.replace("+ARpc", "+Axpc"),
        NEUMANN[:-4],
        "a b" + NEUMANN[12:],
        "x+00000000+AQEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    ],
)
def test_what_is_no_key_of_a_note_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        NoteKey.parse(text)


def test_a_newer_signature_takes_the_place_of_the_same_keys_older_one() -> None:
    key, text = generate(), "log\n1\nroot\n"
    note = Note(text, (sign("log", key, text), cosign("log", key, text, 1)))
    renewed = note.with_signatures([cosign("log", key, text, 2)])
    assert len(renewed.signatures) == 2
    known = [NoteKey("log", key.public_key(), kind) for kind in Kind]
    assert [each.time for each in verify(renewed, known)] == [None, 2]
