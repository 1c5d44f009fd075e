import json
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from m2kt.errors import TensorError
from m2kt.packet import Array, tensors

NAMES = st.from_regex(r"[a-z][a-z0-9_-]{0,9}/[a-z0-9_-]{1,9}", fullmatch=True)
ARRAYS = st.sampled_from([*tensors.DTYPES.values()]).flatmap(
    lambda dtype: hnp.arrays(
        dtype,
        hnp.array_shapes(min_dims=0, max_dims=4, max_side=4),
        elements=hnp.from_dtype(dtype, allow_nan=False, allow_infinity=False),
    )
)


def container(header: object, data: bytes, pad: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":"), sort_keys=True).encode()
    text += b" " * (-len(text) % 8 if pad is None else pad)
    return len(text).to_bytes(8, "little") + text + data


def entry(dtype: str = "U8", shape: tuple[int, ...] = (1,), start: int = 0, end: int = 1) -> dict[str, Any]:
    return {"data_offsets": [start, end], "dtype": dtype, "shape": list(shape)}


@settings(max_examples=40)
@given(st.dictionaries(NAMES, ARRAYS, min_size=1, max_size=5))
def test_round_trip(arrays: dict[str, Array]) -> None:
    data = tensors.encode(arrays)
    found = tensors.decode(data)
    assert list(found) == sorted(arrays)
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        assert found[name].tobytes() == array.tobytes()
    assert tensors.encode(found) == data


@settings(max_examples=40)
@given(st.dictionaries(NAMES, ARRAYS, min_size=1, max_size=5))
def test_the_reference_library_reads_it(arrays: dict[str, Array]) -> None:
    found = safetensors.numpy.load(tensors.encode(arrays))
    assert {name: array.tobytes() for name, array in found.items()} == {n: a.tobytes() for n, a in arrays.items()}


@given(st.binary(max_size=80))
def test_arbitrary_bytes_are_refused_or_the_one_encoding(data: bytes) -> None:
    try:
        found = tensors.decode(data)
    except TensorError:
        return
    assert tensors.encode(found) == data


def test_encoding_is_fixed() -> None:
    arrays: dict[str, Array] = {"a/c": np.array([[-2]], np.int32), "a/b": np.array([1, -0.5], np.float16)}
    header = (
        b'{"a/b":{"data_offsets":[0,4],"dtype":"F16","shape":[2]},'
        b'"a/c":{"data_offsets":[4,8],"dtype":"I32","shape":[1,1]}}       '
    )
    assert tensors.encode(arrays) == b"\x78\0\0\0\0\0\0\0" + header + b"\x00\x3c\x00\xb8\xfe\xff\xff\xff"


def test_memory_order_and_byte_order_do_not_matter() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    expected = tensors.encode({"a/b": array})
    assert tensors.encode({"a/b": np.asfortranarray(array)}) == expected
    assert tensors.encode({"a/b": array.astype(">f4")}) == expected
    assert tensors.encode({"a/b": np.repeat(array, 2, axis=1)[:, ::2]}) == expected


def test_decoded_arrays_are_views_that_nobody_can_write() -> None:
    array = tensors.decode(tensors.encode({"a/b": np.arange(3, dtype=np.uint8)}))["a/b"]
    assert not array.flags.writeable
    assert array.base is not None


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "a/../b",
        "/a/b",
        "a//b",
        "a/",
        "a",
        "",
        "A/b",
        "a/b\0",
        "a/é",
        "a/./b",
        "a b/c",
        "a/" * 64 + "b",
    ],
)
def test_names_that_look_like_paths_out_are_refused(name: str) -> None:
    with pytest.raises(TensorError):
        tensors.encode({name: np.zeros(1, np.uint8)})
    with pytest.raises(TensorError):
        tensors.decode(container({name: entry()}, b"\0"))


@pytest.mark.parametrize(
    ("why", "data"),
    [
        ("empty", b""),
        ("short", b"\1\0\0"),
        ("huge header", b"\xff" * 8 + b"{}"),
        ("no tensors", container({}, b"")),
        (
            "duplicate",
            container(b'{"a/b":%s,"a/b":%s}' % ((json.dumps(entry()).replace(" ", "").encode(),) * 2), b"\0"),
        ),
        ("metadata", container({"__metadata__": {"a": "b"}, "a/b": entry()}, b"\0")),
        ("order", container(b'{"b/b":%s,"a/b":%s}' % ((json.dumps(entry()).replace(" ", "").encode(),) * 2), b"\0\0")),
        ("gap", container({"a/b": entry(start=1, end=2)}, b"\0\0")),
        ("overlap", container({"a/b": entry(), "a/c": entry()}, b"\0")),
        ("length of data", container({"a/b": entry(shape=(2,))}, b"\0\0")),
        ("truncated", container({"a/b": entry(shape=(2,), end=2)}, b"\0")),
        ("trailing", container({"a/b": entry()}, b"\0\0")),
        ("dtype", container({"a/b": entry("F64", (1,), 0, 8)}, bytes(8))),
        ("dtype no text", container({"a/b": entry() | {"dtype": ["U8"]}}, b"\0")),
        ("zero size", container({"a/b": entry(shape=(0,), end=0)}, b"")),
        ("negative", container({"a/b": entry(shape=(-1,), end=-1)}, b"")),
        ("rank", container({"a/b": entry(shape=(1,) * 9)}, b"\0")),
        ("overflow", container({"a/b": entry(shape=(2**32, 2**32), end=0)}, b"")),
        ("bool shape", container({"a/b": entry() | {"shape": [True]}}, b"\0")),
        ("bool offsets", container({"a/b": entry() | {"data_offsets": [False, True]}}, b"\0")),
        ("extra key", container({"a/b": entry() | {"x": 1}}, b"\0")),
        ("entry no object", container({"a/b": 1}, b"\0")),
        ("padding", container({"a/b": entry()}, b"\0", pad=0)),
        ("more padding", container({"a/b": entry()}, b"\0", pad=9)),
        ("nan", container({"a/b": entry("F32", (1,), 0, 4)}, np.float32("nan").tobytes())),
        ("inf", container({"a/b": entry("F16", (1,), 0, 2)}, np.float16("-inf").tobytes())),
    ],
)
def test_decode_refuses(why: str, data: bytes) -> None:
    with pytest.raises(TensorError):
        tensors.decode(data)


def test_the_cases_above_fail_for_their_own_reason() -> None:
    assert tensors.decode(container({"a/b": entry()}, b"\7"))["a/b"].tolist() == [7]


@pytest.mark.parametrize("array", [np.zeros(1), np.zeros(1, bool), np.array(["a"]), np.zeros((0, 2), np.uint8)])
def test_encode_refuses(array: Array) -> None:
    with pytest.raises(TensorError):
        tensors.encode({"a/b": array})


def test_encode_refuses_nan() -> None:
    with pytest.raises(TensorError, match="NaN"):
        tensors.encode({"a/b": np.array([np.nan], np.float32)})


def test_encode_refuses_too_many() -> None:
    many: dict[str, Array] = {f"a/{index}": np.zeros(1, np.uint8) for index in range(tensors.MAX_TENSORS + 1)}
    with pytest.raises(TensorError, match="4096"):
        tensors.encode(many)


@given(
    hnp.arrays(np.float32, 5, elements=st.floats(width=32, allow_nan=False, allow_infinity=False)), st.integers(0, 23)
)
def test_zeroed_bits_pass_and_change_little(array: Any, bits: int) -> None:
    rounded: Any = tensors.zero_low_bits(array, bits)
    tensors.check_low_bits("a/b", rounded, bits)
    normal = np.abs(array) >= np.finfo(np.float32).tiny
    assert (np.abs(rounded - array)[normal] <= np.abs(array)[normal] * 2.0**-bits).all()


@pytest.mark.parametrize(("dtype", "bits"), [(np.float32, 22), (np.float16, 9), (">f4", 22)])
def test_a_set_low_bit_is_refused(dtype: Any, bits: int) -> None:
    array = np.array([1 + np.finfo(dtype).eps], dtype)
    with pytest.raises(TensorError, match="mantissa"):
        tensors.check_low_bits("a/b", array, bits)
    tensors.check_low_bits("a/b", array, bits + 1)


@pytest.mark.parametrize(("dtype", "bits"), [(np.float16, 11), (np.float32, 24), (np.float32, -1), (np.int32, 3)])
def test_precision_outside_the_dtype_is_refused(dtype: Any, bits: int) -> None:
    with pytest.raises(TensorError):
        tensors.zero_low_bits(np.zeros(1, dtype), bits)
