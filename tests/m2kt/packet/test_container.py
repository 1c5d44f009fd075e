import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2kt.errors import ContainerError, PacketError, TooLarge
from m2kt.packet import Limits, Parts
from m2kt.packet.container import MAGIC, pack, unpack

SMALL = Parts(b"envelope", b"manifest", b"tensors")
PART = st.binary(min_size=1, max_size=40)


@given(PART, PART, PART)
def test_round_trip(envelope: bytes, manifest: bytes, tensors: bytes) -> None:
    parts = Parts(envelope, manifest, tensors)
    assert unpack(pack(parts)) == parts


def test_layout_is_fixed() -> None:
    assert pack(Parts(b"a", b"bb", b"c")) == b"\x89M2KT\r\n\x01" + b"".join(
        [b"\1\0\0\0\0\0\0\0a", b"\2\0\0\0\0\0\0\0bb", b"\1\0\0\0\0\0\0\0c"]
    )


def test_every_truncation_is_refused() -> None:
    data = pack(SMALL)
    for length in range(len(data)):
        with pytest.raises(ContainerError):
            unpack(data[:length])


def test_appended_bytes_are_refused() -> None:
    with pytest.raises(ContainerError, match="follow"):
        unpack(pack(SMALL) + b"\0")


@pytest.mark.parametrize("offset", [8, 24, 40])
def test_lengths_past_the_limit_are_refused_before_slicing(offset: int) -> None:
    data = bytearray(pack(SMALL))
    data[offset : offset + 8] = b"\xff" * 8
    with pytest.raises(TooLarge):
        unpack(bytes(data))


@pytest.mark.parametrize(
    "limits", [Limits(max_packet_bytes=20), Limits(max_envelope_bytes=7), Limits(max_manifest_bytes=7)]
)
def test_limits_hold(limits: Limits) -> None:
    with pytest.raises(TooLarge):
        unpack(pack(SMALL), limits)


@pytest.mark.parametrize("parts", [Parts(b"", b"m", b"t"), Parts(b"e", b"", b"t"), Parts(b"e", b"m", b"")])
def test_no_part_may_be_empty(parts: Parts) -> None:
    with pytest.raises(ContainerError):
        pack(parts)
    with pytest.raises(ContainerError):
        unpack(
            MAGIC + b"".join(len(p).to_bytes(8, "little") + p for p in (parts.envelope, parts.manifest, parts.tensors))
        )


@given(st.binary(max_size=60))
def test_arbitrary_bytes_are_refused_or_the_one_encoding(data: bytes) -> None:
    try:
        parts = unpack(MAGIC + data)
    except (PacketError, TooLarge):
        return
    assert pack(parts) == MAGIC + data
