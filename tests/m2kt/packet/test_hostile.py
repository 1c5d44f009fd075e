"""Whatever bytes come in, the parsers give a value or an `M2KTError`, in bounded time and memory."""

import time
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bench.forge import base
from m2kt.errors import M2KTError
from m2kt.packet import Manifest, read_packet, tensors
from m2kt.packet.container import unpack
from m2kt.signing import Envelope, Statement, TrustStore, verify_packet

PACKET = base()
Parser = Callable[[bytes], object]
PARSERS: dict[str, tuple[Parser, bytes]] = {
    "container": (unpack, PACKET.to_bytes()),
    "packet": (read_packet, PACKET.to_bytes()),
    "manifest": (Manifest.from_bytes, PACKET.manifest_bytes),
    "tensors": (tensors.decode, PACKET.tensor_bytes),
    "envelope": (Envelope.from_bytes, PACKET.envelope_bytes),
    "statement": (Statement.from_bytes, PACKET.payload_bytes),
    "verifier": (lambda data: verify_packet(data, TrustStore()), PACKET.to_bytes()),
}
MIB = 2**20
WIDE = MIB // 2
HOSTILE = {
    "empty lists": b'{"a":[' + b"[]," * (WIDE // 3) + b"[]]}",
    "empty objects": b'{"a":[' + b"{}," * (WIDE // 3) + b"{}]}",
    "numbers": b'{"a":[' + b"0," * (WIDE // 2) + b"0]}",
    "texts": b'{"a":[' + b'"",' * (WIDE // 3) + b'""]}',
    "keys": b"{" + b'"":0,' * (WIDE // 5) + b'"":0}',
    "keys alone": b"{" + b'"a"' * (WIDE // 3),
    "brackets": b"[" * WIDE,
    "closing brackets": b"]" * WIDE,
    "escapes": b'{"a":"' + b"\\n" * (WIDE // 2) + b'"}',
    "half an escape": b'{"a":"' + b"\\" * WIDE,
    "digits": b'{"a":' + b"9" * WIDE + b"}",
    "spaces": b'{"a":' + b" " * WIDE + b"1}",
}


def attempt(parser: Parser, data: bytes) -> None:
    try:
        parser(data)
    except M2KTError:
        return


@pytest.mark.parametrize("name", PARSERS)
def test_arbitrary_bytes(name: str) -> None:
    parser, _ = PARSERS[name]

    @settings(max_examples=150, derandomize=True, deadline=None)
    @given(st.binary(max_size=200))
    @example(b"")
    def run(data: bytes) -> None:
        attempt(parser, data)

    run()


@pytest.mark.parametrize("name", PARSERS)
def test_damaged_bytes(name: str) -> None:
    parser, right = PARSERS[name]
    cut = st.tuples(st.integers(0, len(right)), st.integers(0, 16), st.binary(max_size=16))

    @settings(max_examples=150, derandomize=True, deadline=None)
    @given(st.lists(cut, min_size=1, max_size=4))
    def run(cuts: list[tuple[int, int, bytes]]) -> None:
        data = right
        for at, removed, added in cuts:
            data = data[:at] + added + data[at + removed :]
        attempt(parser, data)

    run()


@pytest.mark.parametrize("name", ["manifest", "tensors", "envelope", "statement"])
@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_json_costs_little(name: str, kind: str) -> None:
    data = HOSTILE[kind][:MIB] if name == "tensors" else HOSTILE[kind]
    data = len(data).to_bytes(8, "little") + data if name == "tensors" else data
    tracemalloc.start()
    began = time.process_time()
    with pytest.raises(M2KTError):
        PARSERS[name][0](data)
    spent, (_, peak) = time.process_time() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 * len(data) + 16 * MIB
    assert spent < 10


def test_a_length_is_not_believed_before_the_bytes_are_there() -> None:
    tracemalloc.start()
    for part in range(3):
        data = bytearray(PACKET.to_bytes())
        offset = 8 + sum(8 + len(each) for each in PACKET.parts[:part])
        data[offset : offset + 8] = (4 * MIB).to_bytes(8, "little")
        with pytest.raises(M2KTError, match=r"^truncated:"):
            unpack(bytes(data))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MIB


def test_a_declared_shape_is_not_believed_before_the_bytes_are_there() -> None:
    header = b'{"a/b":{"data_offsets":[0,1099511627776],"dtype":"U8","shape":[1099511627776]}}'
    header += b" " * (-len(header) % 8)
    with pytest.raises(M2KTError, match=r"^data-length:"):
        tensors.decode(len(header).to_bytes(8, "little") + header + b"\0")
