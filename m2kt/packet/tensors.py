"""The tensors of a packet: a strict profile of the safetensors format, with one encoding per content.

``u64-LE header length | header | data``. The header is canonical JSON (RFC 8785) of ``{name: {data_offsets, dtype,
shape}}``, padded with fewer than 8 spaces to a multiple of 8. Tensors stand in name order without gaps, little-endian,
row-major. Metadata is refused: it belongs in the manifest. Any safetensors reader can load these bytes, but most
byte strings such a reader would load are refused here.
"""

import math
import re
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from m2kt.errors import ManifestError, TensorError
from m2kt.packet import canonical, rules

Array = NDArray[np.generic]

DTYPES: Mapping[str, np.dtype[Any]] = {
    "F16": np.dtype("<f2"),
    "F32": np.dtype("<f4"),
    "I32": np.dtype("<i4"),
    "I64": np.dtype("<i8"),
    "U8": np.dtype("u1"),
}
MANTISSA_BITS: Mapping[str, int] = {"F16": 10, "F32": 23}
"""Stored mantissa bits of the float dtypes."""

MAX_HEADER_BYTES = 2**20
MAX_TENSORS = 4096
MAX_RANK = 8
MAX_ELEMENTS = 2**40  # far above any packet; guards the product of a shape
_CHUNK = 2**17  # elements looked at in one go: what is computed from them stays in the processor's cache

NAME = re.compile(r"[a-z0-9._/-]{1,128}")
_CODES = {dtype: code for code, dtype in DTYPES.items()}
_WORDS: Mapping[str, type[np.unsignedinteger[Any]]] = {"F16": np.uint16, "F32": np.uint32}


def check_name(name: object) -> str:
    """``[a-z0-9._/-]{1,128}``, at least two segments, none of them empty, ``.`` or ``..``."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        _refuse("tensor-name", f"{str(name)[:80]!r} is not [a-z0-9._/-]{{1,128}}")
    segments = name.split("/")
    if len(segments) < 2 or any(each in ("", ".", "..") for each in segments):
        _refuse("tensor-name", f"{name!r} must be section/name, with no empty, '.' or '..' segment")
    return name


def dtype_code(array: Array) -> str:
    """``F32`` for an array of float32, in whichever byte order; `TensorError` outside the allow-list."""
    code = _CODES.get(array.dtype.newbyteorder("<"))
    if code is None:
        _refuse("dtype", f"{array.dtype} is not allowed: use one of {', '.join(DTYPES)}")
    return code


def check_shape(shape: object, name: str) -> int:
    """Number of elements of ``shape``; refuses what is no list of integers, ranks past 8, empty dimensions and
    products past 2^40."""
    if not isinstance(shape, list | tuple) or not all(type(each) is int for each in shape):
        _refuse("shape", f"that of {name} must be a list of integers")
    if len(shape) > MAX_RANK:
        _refuse("shape", f"{name} has rank {len(shape)}, the limit is {MAX_RANK}")
    if any(each < 1 for each in shape):
        _refuse("shape", f"{name} is empty: its shape is {list(shape)}")
    elements = math.prod(shape)  # Python integers do not overflow
    if elements > MAX_ELEMENTS:
        _refuse("shape", f"{name} would have {elements} elements")
    return elements


def raw(array: Array) -> memoryview:
    """Little-endian, row-major bytes of an array: a view of it where it lies so already."""
    stored = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return stored.reshape(-1).view(np.uint8).data


def digest(array: Array) -> str:
    """``sha256:`` digest of the array's bytes as the packet stores them."""
    return f"sha256:{sha256(raw(array)).hexdigest()}"


def encode(tensors: Mapping[str, Array]) -> bytes:
    """The one encoding of ``tensors``; `TensorError` for what the profile does not allow."""
    header: dict[str, dict[str, Any]] = {}
    chunks: list[memoryview] = []
    offset = 0
    for name in sorted(tensors):
        array, dtype = tensors[name], dtype_code(tensors[name])
        chunk = _chunk(check_name(name), array)
        header[name] = {"data_offsets": [offset, offset + len(chunk)], "dtype": dtype, "shape": list(array.shape)}
        offset += len(chunk)
        chunks.append(chunk)
    return b"".join([_header(header), *chunks])


def _chunk(name: str, array: Array) -> memoryview:
    check_shape(array.shape, name)
    _check_finite(name, array)
    return raw(array)


def _header(entries: dict[str, dict[str, Any]]) -> bytes:
    if not 1 <= len(entries) <= MAX_TENSORS:
        _refuse("tensors", f"a packet has 1 to {MAX_TENSORS} tensors, not {len(entries)}")
    header = canonical.dumps(entries)
    header += b" " * (-len(header) % 8)
    if len(header) > MAX_HEADER_BYTES:
        _refuse("header", f"it has {len(header)} bytes, the limit is {MAX_HEADER_BYTES}")
    return len(header).to_bytes(8, "little") + header


def decode(data: bytes | memoryview) -> dict[str, Array]:
    """The tensors in ``data`` in name order: read-only views of it (not always aligned), all values finite."""
    found: dict[str, Array] = {}
    for name, array in _views(data):
        _check_finite(name, array)
        found[name] = array
    return found


def digests(data: bytes | memoryview) -> dict[str, str]:
    """`digest` of each tensor in ``data``, by name. It is for a thread beside others, which call `decode`: of bytes
    that `decode` refuses it says nothing."""
    try:
        return {name: digest(array) for name, array in _views(data)}
    except TensorError:
        return {}


def _views(data: bytes | memoryview) -> Iterator[tuple[str, Array]]:
    """Name and view of each tensor, as soon as it is known where it lies."""
    entries, start = _parse_header(data)
    offset = 0
    for name, entry in entries.items():
        dtype, shape = _read_entry(check_name(name), entry)
        elements = check_shape(shape, name)
        end = offset + elements * dtype.itemsize
        if entry["data_offsets"] != [offset, end]:
            _refuse("data-offsets", f"{name} must lie at [{offset}, {end}]: no gaps, no overlaps, name order")
        if start + end > len(data):
            _refuse("data-length", f"the data end before {name} does")
        yield name, np.frombuffer(data, dtype, elements, start + offset).reshape(shape)
        offset = end
    if start + offset != len(data):
        _refuse("data-length", f"{len(data) - start - offset} bytes follow the last tensor")


def _parse_header(data: bytes | memoryview) -> tuple[dict[str, Any], int]:
    """Header entries in name order, and where the data begin."""
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > MAX_HEADER_BYTES or 8 + length > len(data):
        _refuse("header", f"it is truncated or longer than {MAX_HEADER_BYTES} bytes")
    header = bytes(data[8 : 8 + length])
    try:
        entries = canonical.loads(header.rstrip(b" "), max_bytes=MAX_HEADER_BYTES, max_depth=3)
    except ManifestError as error:
        raise TensorError(rules.inside("the tensors' header", error)) from error
    if _header(entries)[8:] != header:
        _refuse("padding", "the header must be padded with spaces to the next multiple of 8")
    return entries, 8 + length


def _read_entry(name: str, entry: object) -> tuple[np.dtype[Any], tuple[int, ...]]:
    if not isinstance(entry, dict) or set(entry) != {"data_offsets", "dtype", "shape"}:
        _refuse("entry", f"{name} must have data_offsets, dtype and shape, and nothing else")
    dtype, shape = entry["dtype"], entry["shape"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        _refuse("dtype", f"{name} has {str(dtype)[:20]!r}: allowed are {', '.join(DTYPES)}")
    check_shape(shape, name)
    if not isinstance(entry["data_offsets"], list) or not all(type(each) is int for each in entry["data_offsets"]):
        _refuse("data-offsets", f"those of {name} must be a list of integers")
    return DTYPES[dtype], tuple(shape)


def _check_finite(name: str, array: Array) -> None:
    code = dtype_code(array)
    if code not in MANTISSA_BITS:
        return
    word, mantissa = _WORDS[code], MANTISSA_BITS[code]
    magnitude = word(np.iinfo(word).max >> 1)
    infinity = magnitude >> mantissa << mantissa  # all exponent bits; NaNs are above it
    for words in _chunks(array, word):
        if (words & magnitude).max() >= infinity:
            _refuse("not-finite", f"{name} holds NaN or an infinity")


def _chunks(array: Array, word: type[np.unsignedinteger[Any]]) -> Iterator[NDArray[Any]]:
    """The array's bits as unsigned words, a piece at a time: what is computed from them needs little memory."""
    words = np.ascontiguousarray(array, array.dtype.newbyteorder("=")).reshape(-1).view(word)
    return (words[start : start + _CHUNK] for start in range(0, len(words), _CHUNK))


def zero_low_bits(array: Array, bits: int) -> Array:
    """A copy of a float array that keeps the ``bits`` highest mantissa bits and zeroes the rest (rounds to zero)."""
    word, mask = _low_bits(array, bits)
    native = np.ascontiguousarray(array, array.dtype.newbyteorder("=")).reshape(array.shape)
    kept: Array = (native.view(word) & ~mask).view(native.dtype)
    return kept


def keep_bits(tensors: Mapping[str, Array], bits: int) -> tuple[dict[str, Array], dict[str, int]]:
    """``tensors`` with at most ``bits`` mantissa bits in every float one, and the precision to declare."""
    kept, precision = dict(tensors), {}
    for name, array in tensors.items():
        code = dtype_code(array)
        if code in MANTISSA_BITS:
            precision[name] = min(bits, MANTISSA_BITS[code])
            kept[name] = zero_low_bits(array, precision[name])
    return kept, precision


def check_low_bits(name: str, array: Array, bits: int) -> None:
    """`TensorError` unless all mantissa bits below the ``bits`` highest are zero: that bounds what could hide there."""
    word, mask = _low_bits(array, bits)
    if mask and any((words & mask).any() for words in _chunks(array, word)):
        _refuse("low-bits", f"{name} declares {bits} mantissa bits, but lower ones are set")


def _low_bits(array: Array, bits: int) -> tuple[type[np.unsignedinteger[Any]], Any]:
    """The unsigned word of the array's width, and the mask of the mantissa bits that must be zero."""
    code = dtype_code(array)
    if code not in MANTISSA_BITS or not 0 <= bits <= MANTISSA_BITS[code]:
        _refuse("low-bits", f"{code} has no precision of {bits} mantissa bits")
    word = _WORDS[code]
    return word, word(2 ** (MANTISSA_BITS[code] - bits) - 1)


def _refuse(rule: rules.Rule, detail: str) -> NoReturn:
    rules.refuse(rule, detail, TensorError)
