import ast
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.forge import MAGIC, OWN_KEYS, Forge, Tensor, base, container, dump, framed, key_of
from bench.verdicts import Verdict, by_library, by_standalone

PROGRAM = Path(__file__).parent.parent.parent / "deploy" / "verify_packet.py"
PACKET = base().to_bytes()
(KEY,) = OWN_KEYS
MIB = 2**20


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    # -I: no module of the tree can be found, so nothing of m2kt is used.
    command = [sys.executable, "-I", str(PROGRAM), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd="/", check=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "packet.m2kt"
    path.write_bytes(PACKET)
    return path


def both(data: bytes) -> Verdict:
    """What both say; they must say the same."""
    found = by_library(data, [KEY])
    assert by_standalone(data, [KEY]) == found
    return found


def test_it_has_at_most_300_lines() -> None:
    assert len(PROGRAM.read_text().splitlines()) <= 300


def test_it_imports_the_standard_library_and_cryptography_only() -> None:
    names = set()
    for node in ast.walk(ast.parse(PROGRAM.read_text())):
        if isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0])
        elif isinstance(node, ast.Import):
            names |= {each.name.partition(".")[0] for each in node.names}
    assert names - set(sys.stdlib_module_names) == {"cryptography"}


def test_it_accepts_with_exit_0(file: Path, tmp_path: Path) -> None:
    (tmp_path / "owner.pub").write_text(KEY + "\n")
    for key in (KEY, str(tmp_path / "owner.pub")):
        done = run(str(file), "--key", key)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("accepted: a/b@1.2.3 sha256:")


def test_it_refuses_with_exit_1_and_names_the_rule(file: Path) -> None:
    file.write_bytes(PACKET + b"\0")
    done = run(str(file), "--key", KEY)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "refused: container-invalid: trailing\n"


@pytest.mark.parametrize("key", ["ed25519:AQ==", "nowhere.pub", "ed25519:AQ" + "A" * 41 + "="])
def test_without_a_good_key_it_exits_2(file: Path, key: str) -> None:
    assert run(str(file), "--key", key).returncode == 2
    assert run(str(file)).returncode == 2
    assert run("nothing.m2kt", "--key", KEY).returncode == 2


def test_large_things_are_refused_alike() -> None:
    packet = base()
    wide = dump({"a": [0] * 2**19})
    long = dump({"a": "x" * (5 * MIB)})
    cases = {
        MAGIC + bytes(64 * MIB): ("too-large", "packet-size"),
        container(wide, *packet.parts[1:]): ("signature-invalid", "tokens"),
        container(packet.parts[0], wide, packet.parts[2]): ("manifest-invalid", "tokens"),
        Forge(packet.manifest, packet.tensors, packet.keys, payload=long).to_bytes(): ("signature-invalid", "size"),
        Forge(packet.manifest, packet.tensors, packet.keys, payload=wide).to_bytes(): ("signature-invalid", "tokens"),
        packet.but("leads", [""] * 4097).to_bytes(): ("manifest-invalid", "list"),
        packet.but("symbols", [""] * 65_537).to_bytes(): ("manifest-invalid", "list"),
    }
    for data, (refused, rule) in cases.items():
        assert both(data) == Verdict(refused, rule)


def test_a_large_packet_is_accepted_alike() -> None:
    tensors = {"concepts/a": Tensor("F16", (1024, 512), b"\x00\x3c" * 2**19), "graph/b": Tensor("F32", (1,), bytes(4))}
    assert both(base().with_tensors(tensors).to_bytes()).packet_id
    many = {f"graph/{index}": Tensor("U8", (1,), b"\0") for index in range(4096)}
    assert both(base().with_tensors(many).to_bytes()).packet_id
    assert both(base().with_tensors({**many, "graph/x": Tensor("U8", (1,), b"\0")}).to_bytes()).rule == "list"


# Fuzz: whatever the bytes, both say the same, and nothing but a verdict comes out.

SPLICES = st.lists(
    st.tuples(st.integers(0, len(PACKET)), st.integers(0, 40), st.binary(max_size=12)), min_size=1, max_size=3
)


@settings(max_examples=150, derandomize=True, deadline=None)
@given(SPLICES)
def test_spliced_packets_get_one_verdict(splices: list[tuple[int, int, bytes]]) -> None:
    data = PACKET
    for at, removed, added in splices:
        data = data[:at] + added + data[at + removed :]
    verdict = both(data)
    assert verdict.refused or data == PACKET


@pytest.mark.nightly
@settings(max_examples=50_000, deadline=None)
@given(SPLICES)
def test_many_more_spliced_packets_get_one_verdict(splices: list[tuple[int, int, bytes]]) -> None:
    data = PACKET
    for at, removed, added in splices:
        data = data[:at] + added + data[at + removed :]
    assert both(data).refused or data == PACKET


def test_text_that_json_libraries_read_differently_gets_one_verdict() -> None:
    right = base().manifest_bytes
    for text in (
        b"1_0",
        b"0x1",
        b"+1",
        b".5",
        b"1.",
        b"'a'",
        b"\xc2\xa01",
        b"\xd9\xa1",
        b"Infinity",
        b"tru",
        b"01",
        b"--1",
    ):
        data = Forge(base().manifest, base().tensors, (key_of(1),), manifest_part=right.replace(b"64", text)).to_bytes()
        assert both(data).refused == "manifest-invalid"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**54), 2**54) | st.text(max_size=6) | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
PATHS = st.sampled_from(
    [*base().manifest, "teacher.name", "domain.name", "extraction.settings", "tensors.0", "tensors.0.shape"]
)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(PATHS, JSON)
def test_manifests_with_any_value_get_one_verdict(path: str, value: object) -> None:
    both(base().but(path, value).to_bytes())


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.sampled_from(["predicate", "subject", "_type", "subject.0", "subject.0.digest", "more"]), JSON)
def test_statements_with_any_value_get_one_verdict(path: str, value: object) -> None:
    both(base().statement_but(path, value).to_bytes())


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.sampled_from(["payload", "payloadType", "signatures", "signatures.0", "signatures.0.sig", "more"]), JSON)
def test_envelopes_with_any_value_get_one_verdict(path: str, value: object) -> None:
    assert both(base().envelope_but(path, value).to_bytes()).refused


@settings(max_examples=150, derandomize=True, deadline=None)
@given(st.sampled_from(["", ".shape", ".dtype", ".data_offsets"]), JSON, st.binary(max_size=16))
def test_tensor_headers_with_any_value_get_one_verdict(key: str, value: object, data: bytes) -> None:
    header = base().with_tensors({"graph/a": Tensor("U8", (2,), b"\0\1")})
    entry = {"data_offsets": [0, 2], "dtype": "U8", "shape": [2]}
    changed = {"graph/a": {**entry, key[1:]: value}} if key else {"graph/a": value}
    both(Forge(header.manifest, header.tensors, header.keys, tensors_part=framed(dump(changed), data)).to_bytes())


@settings(max_examples=150, derandomize=True, deadline=None)
@given(st.sampled_from(["F16", "F32"]), st.lists(st.binary(min_size=4, max_size=4), min_size=1), st.integers(0, 23))
def test_floats_of_any_bits_get_one_verdict(dtype: str, words: list[bytes], bits: int) -> None:
    data = b"".join(words)
    tensor = Tensor(dtype, (len(data) // (2 if dtype == "F16" else 4),), data)
    precision = {"graph/a": min(bits, 10 if dtype == "F16" else 23)}
    both(base().with_tensors({"graph/a": tensor}, **precision).to_bytes())
