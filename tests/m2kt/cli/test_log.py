"""``m2kt log witness`` as a process, and what the other commands refuse before they ask a broker."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from m2kt.client.witnesses import WitnessAddress, WitnessClient
from m2kt.errors import CheckpointInvalid, UsageError
from m2kt.log import Checkpoint, issue
from m2kt.packet import merkle
from m2kt.signing.keys import PrivateKey, generate, write_private, write_public

from .conftest import Run

ORIGIN = "log.test/m2kt"


@pytest.fixture
def log_key() -> PrivateKey:
    return generate()


@pytest.fixture
def address(tmp_path: Path, log_key: PrivateKey) -> Iterator[WitnessAddress]:
    write_private(tmp_path / "witness.key", generate())
    write_public(tmp_path / "log.pub", log_key.public_key())
    words = ("--name", "w.test/1", "--key", tmp_path / "witness.key", "--state", tmp_path / "state")
    program = (sys.executable, "-c", "from m2kt.cli import main; main()", "log", "witness")
    argv = [str(each) for each in (*program, *words, "--log", f"{ORIGIN}={tmp_path / 'log.pub'}")]
    with subprocess.Popen(
        argv, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    ) as child:
        assert child.stdout is not None
        try:
            yield WitnessAddress.parse(child.stdout.readline())
        finally:
            child.terminate()


def test_a_witness_says_how_to_ask_it_and_cosigns(address: WitnessAddress, log_key: PrivateKey) -> None:
    leaf = merkle.leaf_hash(b"entry")
    note = issue(Checkpoint(ORIGIN, 1, leaf), log_key, 1_800_000_000).to_bytes()
    client = WitnessClient(address)
    assert client.cosign(note, lambda old, new: []).name == "w.test/1"
    client.close()
    assert httpx.get(address.url, trust_env=False).text.strip() == address.verifier.text


@pytest.mark.parametrize(
    ("log", "name"), [("no-equals", "w.test"), ("a b=x", "w.test"), ("log=missing.pub", "a b"), ("=x", "w.test")]
)
def test_what_is_no_log_and_no_name_is_refused(run: Run, tmp_path: Path, log: str, name: str) -> None:
    write_private(tmp_path / "k", generate())
    words = ("--name", name, "--key", tmp_path / "k", "--state", tmp_path / "s", "--log", log)
    assert run("log", "witness", *words).status == UsageError.exit_code


def test_what_is_no_key_of_a_witness_is_refused(run: Run, tmp_path: Path) -> None:
    write_public(tmp_path / "b.pub", generate().public_key())
    told = ("--broker", "http://127.0.0.1:1", "--trust", tmp_path / "b.pub")
    ended = run("log", "verify", *told, "--witness", "junk")
    assert ended.status == UsageError.exit_code


@pytest.mark.parametrize("text", ["", "x http://a", "w+00000000+AAAA ftp://x"])
def test_what_is_no_address_of_a_witness_is_refused(text: str) -> None:
    with pytest.raises((UsageError, CheckpointInvalid)):
        WitnessAddress.parse(text)
