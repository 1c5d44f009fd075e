"""`m2kt packet inspect` and `verify` on real bytes, good and bad."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from m2kt.errors import (
    ContainerError,
    DigestMismatch,
    KeyFileError,
    ManifestError,
    SignatureError,
    TensorError,
    TooLarge,
    UnknownKey,
)
from m2kt.packet import Limits
from m2kt.packet.container import Parts, pack, unpack
from m2kt.signing import PrivateKey, key_id
from m2kt.signing.keys import write_public
from tests.m2kt.cli.conftest import Run
from tests.m2kt.cli.test_edge import refused
from tests.small import small_packet

ID = small_packet().packet_id


def test_inspect_shows_what_a_packet_says_and_that_nobody_checked_it(run: Run, packet_file: Path) -> None:
    ended = run("packet", "inspect", packet_file)
    assert (ended.status, ended.err) == (0, "")
    for fact in ("tests/addition@1.0.0 (knowledge)", ID, "addition@1.0.0", "Apache-2.0", "concepts/centroids"):
        assert fact in ended.out
    assert "signature not checked (give --trust)" in ended.out


def test_inspect_with_trust_names_the_key_that_signed(
    run: Run, packet_file: Path, trust: Path, key: PrivateKey
) -> None:
    ended = run("packet", "inspect", packet_file, "--trust", trust)
    assert f"verified, key {key_id(key.public_key())}" in ended.out
    assert "not checked" not in ended.out


def test_inspect_as_json_holds_the_whole_manifest(run: Run, packet_file: Path, trust: Path, key: PrivateKey) -> None:
    unchecked = json.loads(run("packet", "inspect", packet_file, "-o", "json").out)
    checked = json.loads(run("packet", "inspect", packet_file, "-o", "jsonl", "--trust", trust).out)
    assert unchecked["packet_id"] == ID
    assert unchecked["manifest"] == checked["manifest"] == json.loads(small_packet().manifest_bytes)
    assert (unchecked["signed_by"], unchecked["claimed_keys"]) == ([], [key_id(key.public_key())])
    assert (checked["signature"], checked["signed_by"]) == ("verified", [key_id(key.public_key())])


def test_the_id_alone_is_one_line(run: Run, packet_file: Path, trust: Path) -> None:
    assert run("packet", "inspect", packet_file, "-o", "id").out == f"{ID}\n"
    assert run("packet", "verify", packet_file, "--trust", trust, "-o", "id").out == f"{ID}\n"


def test_verify_says_what_it_verified(run: Run, packet_file: Path, trust: Path, key: PrivateKey) -> None:
    by = key_id(key.public_key())
    ended = run("packet", "verify", packet_file, "--trust", trust)
    assert (ended.status, ended.out) == (0, f"verified tests/addition@1.0.0 {ID}\nsigned by {by}\n")
    found = json.loads(run("packet", "verify", packet_file, "--trust", trust, "-o", "json").out)
    assert found == {"packet_id": ID, "reference": "tests/addition@1.0.0", "signed_by": [by]}


def test_verify_needs_keys_to_trust(run: Run, packet_file: Path) -> None:
    assert "--trust" in refused(run("packet", "verify", packet_file), 2)


def test_an_unknown_key_is_exit_21(run: Run, packet_file: Path, tmp_path: Path) -> None:
    stranger = PrivateKey.from_private_bytes(bytes(32))
    write_public(tmp_path / "stranger.pub", stranger.public_key())
    (tmp_path / "nobody").mkdir()
    for trusted in (tmp_path / "stranger.pub", tmp_path / "nobody"):
        for verb in ("verify", "inspect"):
            refused(run("packet", verb, packet_file, "--trust", trusted), UnknownKey.exit_code)


def test_a_bad_key_to_trust_is_exit_23(run: Run, packet_file: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.pub").write_text("ed25519:none\n")
    refused(run("packet", "verify", packet_file, "--trust", tmp_path / "bad.pub"), KeyFileError.exit_code)


def test_a_flipped_byte_anywhere_is_refused_with_an_exit_code_of_its_own(
    run: Run, packet_file: Path, trust: Path
) -> None:
    """All bytes are flipped in tests/m2kt/signing; here one of each part, to see what the user sees."""
    data = packet_file.read_bytes()
    parts = unpack(data)
    places = {
        ContainerError: 0,
        SignatureError: data.index(parts.envelope) + len(parts.envelope) - 20,
        DigestMismatch: len(data) - 1,
    }
    for error, place in places.items():
        spoiled = bytearray(data)
        spoiled[place] ^= 1
        packet_file.write_bytes(spoiled)
        refused(run("packet", "verify", packet_file, "--trust", trust), error.exit_code)
    refused(run("packet", "inspect", packet_file), DigestMismatch.exit_code)


def not_a_number(parts: Parts) -> Parts:
    """In the first number of the first tensor, attention/mean: 0x7e00 is NaN in half precision."""
    data = bytearray(parts.tensors)
    start = 8 + int.from_bytes(data[:8], "little")
    data[start : start + 2] = b"\x00\x7e"
    return Parts(parts.envelope, parts.manifest, bytes(data))


def path_like_name(parts: Parts) -> Parts:
    """In place of the first tensor's name, and before all others like it: all but the name is as it should be."""
    tensors = bytes(parts.tensors).replace(b"attention/mean", b"../../../../et")
    return Parts(parts.envelope, parts.manifest, tensors)


def no_manifest(parts: Parts) -> Parts:
    return Parts(parts.envelope, b"{}", parts.tensors)


@pytest.mark.parametrize(
    ("spoil", "error", "wrong"),
    [
        (not_a_number, TensorError, "NaN"),
        (path_like_name, TensorError, "../../../../et"),
        (no_manifest, ManifestError, "missing"),
    ],
)
def test_a_packet_with_bad_content_is_refused_by_name(
    run: Run, packet_file: Path, spoil: Callable[[Parts], Parts], error: type[TensorError], wrong: str
) -> None:
    packet_file.write_bytes(pack(spoil(unpack(packet_file.read_bytes()))))
    assert wrong.lower() in refused(run("packet", "inspect", packet_file), error.exit_code).lower()


def test_a_file_that_is_no_packet_is_exit_10(run: Run, tmp_path: Path) -> None:
    for data in (b"", b"hello", b"\x89M2KT\r\n\x01"):
        (tmp_path / "file").write_bytes(data)
        refused(run("packet", "inspect", tmp_path / "file"), ContainerError.exit_code)


def test_a_file_over_the_limit_is_exit_35(run: Run, tmp_path: Path, key_file: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(Limits().max_packet_bytes + 1)
    refused(run("packet", "inspect", tmp_path / "large"), TooLarge.exit_code)
    publish = ("packet", "publish", tmp_path / "large", "--broker", "http://127.0.0.1:1", "--key", key_file)
    refused(run(*publish), TooLarge.exit_code)


def test_a_key_that_others_may_read_is_exit_23_and_says_how_to_mend_it(
    run: Run, packet_file: Path, key_file: Path
) -> None:
    key_file.chmod(0o644)
    for words in (
        ("key", "show", key_file),
        ("packet", "publish", packet_file, "--broker", "http://127.0.0.1:1", "--key", key_file),
        ("job", "submit", "noop", "--broker", "http://127.0.0.1:1", "--key", key_file),
    ):
        ended = run(*words)
        assert "0644" in refused(ended, KeyFileError.exit_code)
        assert f"chmod 600 {key_file}" in ended.err


def test_a_key_that_is_not_there_is_exit_23(run: Run, packet_file: Path, tmp_path: Path) -> None:
    words = ("packet", "publish", packet_file, "--broker", "http://127.0.0.1:1", "--key", tmp_path / "none.key")
    refused(run(*words), KeyFileError.exit_code)


def test_a_new_key_is_private_and_never_overwritten(run: Run, tmp_path: Path) -> None:
    made = run("key", "generate", tmp_path / "new.key")
    assert made.status == 0
    assert (tmp_path / "new.key").stat().st_mode & 0o777 == 0o600
    assert run("key", "show", tmp_path / "new.key").out == made.out == run("key", "show", tmp_path / "new.key.pub").out
    assert "exists already" in refused(run("key", "generate", tmp_path / "new.key"), KeyFileError.exit_code)
