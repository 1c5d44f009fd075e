"""Vectors of the tensors part, and of its agreement with the manifest."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from bench.forge import MISSING, PAIR, TENSORS, Forge, Json, Tensor, changed, dump, framed, header_of
from tests.m2kt.vectors.corpus import OWNED, PAIRED, Must, Vector

HEADER, PAIR_HEADER = header_of(OWNED.tensors), header_of(PAIR)
FIRST, LAST = sorted(PAIR)
DATA = TENSORS[FIRST].data


def stored(header: Json | bytes, data: bytes = DATA) -> Forge:
    """The packet with another header, or other data."""
    text = header if isinstance(header, bytes) else dump(header)
    return replace(OWNED, tensors_part=framed(text, data))


def header_but(path: str, value: object) -> Forge:
    """The packet with one value of its header changed; tensor names hold no dots."""
    return stored(changed(HEADER, path, value))


def vectors() -> Iterator[Vector]:
    """Refused as ``tensor-invalid`` or ``digest-mismatch``."""
    yield from _headers()
    yield from _entries()
    yield from _places()
    yield from _values()
    yield from _tables()


def _headers() -> Iterator[Vector]:
    must, part = Must("tensors", "tensor-invalid"), OWNED.tensor_bytes
    size = int.from_bytes(part[:8], "little")
    header = part[8 : 8 + size]
    for name, data in (
        ("header-cut", part[:7]),
        ("header-claims-all", b"\xff" * 8 + part[8:]),
        ("header-past-limit", (2**20 + 8).to_bytes(8, "little") + part[8:]),
        ("header-past-the-end", (len(part)).to_bytes(8, "little") + part[8:]),
    ):
        yield must.refuse("header", name, replace(OWNED, tensors_part=data))
    yield must.refuse("tensors", "no-tensors", stored(b"{}", b""))
    for name, spaces in (("more-padding", 8), ("padding-unaligned", 1)):
        longer = (size + spaces).to_bytes(8, "little") + header + b" " * spaces + DATA
        yield must.refuse("padding", name, replace(OWNED, tensors_part=longer))
    bare = header.rstrip(b" ")
    if bare == header:
        raise ValueError("this header needs padding, else the next vector is a valid packet")
    cut = len(bare).to_bytes(8, "little") + bare + DATA
    yield must.refuse("padding", "no-padding", replace(OWNED, tensors_part=cut))


def _entries() -> Iterator[Vector]:
    must = Must("tensors", "tensor-invalid")
    entry = {"data_offsets": [0, 3], "dtype": "U8", "shape": [3]}
    for name in ("a", "../x", "a//b", "a/..", "/a", "a/", "A/b", "a\u0435/b", "a/" + "b" * 127, "__metadata__"):
        safe = "".join(each if each.isalnum() else "-" for each in name[:20])
        yield must.refuse("tensor-name", f"name-{safe.encode('ascii', 'replace').decode().replace('?', 'e')}",
                          stored({name: entry}, b"\0\1\2"))  # fmt: skip
    yield must.refuse("tensor-name", "metadata", stored({"__metadata__": {"format": "pt"}, **HEADER}))
    yield must.refuse("entry", "entry-is-list", header_but(FIRST, []))
    yield must.refuse("entry", "entry-with-more", header_but(f"{FIRST}.sha256", "x"))
    yield must.refuse("entry", "entry-without-shape", header_but(f"{FIRST}.shape", MISSING))
    for name, dtype in (("doubles", "F64"), ("half-of-google", "BF16"), ("dtype-is-list", ["F16"]), ("small", "f16")):
        yield must.refuse("dtype", name, header_but(f"{FIRST}.dtype", dtype))
    shapes: dict[str, Any] = {
        "zero-size": [0],
        "zero-beside": [2, 0],
        "negative": [-2, -2],
        "nine-dimensions": [1] * 9,
        "overflow-64-bits": [2**32, 2**32],
        "past-2-40": [2**41],
        "true": [True],
        "text": "22",
        "nested-number": {"0": 2},
    }
    for name, shape in shapes.items():
        yield must.refuse("shape", f"shape-{name}", header_but(f"{FIRST}.shape", shape))


def _places() -> Iterator[Vector]:
    must = Must("tensors", "tensor-invalid")
    offsets: dict[str, tuple[str, Any]] = {
        "gap": (FIRST, [1, 9]),
        "reversed": (FIRST, [8, 0]),
        "too-long": (FIRST, [0, 9]),
        "too-short": (FIRST, [0, 7]),
        "negative": (FIRST, [-8, 0]),
        "huge": (FIRST, [0, 2**53 - 1]),
        "false": (FIRST, [False, 8]),
        "is-number": (FIRST, 8),
    }
    for name, (tensor, value) in offsets.items():
        yield must.refuse("data-offsets", f"offsets-{name}", header_but(f"{tensor}.data_offsets", value))
    for name, first, second in (
        ("gap-between", [0, 8], [9, 17]),
        ("overlap", [0, 8], [0, 8]),
        ("shared-bytes", [0, 8], [4, 12]),
        ("reordered", [8, 16], [0, 8]),
    ):
        header = changed(changed(PAIR_HEADER, f"{FIRST}.data_offsets", first), f"{LAST}.data_offsets", second)
        data = max(first[1], second[1])
        part = framed(dump(header), (PAIR[LAST].data + PAIR[FIRST].data + b"\0")[:data])
        yield must.refuse("data-offsets", f"offsets-{name}", replace(PAIRED, tensors_part=part))
    yield must.refuse("data-length", "data-cut", stored(HEADER, DATA[:-1]))
    yield must.refuse("data-length", "data-gone", stored(HEADER, b""))
    yield must.refuse("data-length", "data-after", stored(HEADER, DATA + b"\0"))


def _values() -> Iterator[Vector]:
    """Packets that agree with themselves in everything and are rightly signed, with values that may not be."""
    must = Must("tensors", "tensor-invalid")
    for name, tensor, data in (
        ("nan-16", FIRST, "003c00c0 0038017e"),
        ("infinity-16", FIRST, "007c00c0 00380042"),
        ("minus-infinity-16", FIRST, "003c00c0 003800fc"),
        ("nan-32", LAST, "0000803e 0100c07f"),
        ("signalling-nan-32", LAST, "010080ff 0000c03f"),
        ("infinity-32", LAST, "0000803e 0000807f"),
    ):
        wrong = replace(PAIR[tensor], data=bytes.fromhex(data))
        yield must.refuse("not-finite", name, OWNED.with_tensors({**PAIR, tensor: wrong}))
    rough = Tensor("F32", (2,), bytes.fromhex("0100803e 0000c03f"))
    tight = {"graph/b": 22}
    yield must.refuse("low-bits", "lowest-bit-32", OWNED.with_tensors({**PAIR, LAST: rough}, **tight))
    yield must.refuse("low-bits", "precision-0", OWNED.with_tensors(PAIR, **{"graph/b": 0}))
    fine = Tensor("F16", (2, 2), bytes.fromhex("013c00c0 00380042"))
    yield must.refuse("low-bits", "lowest-bit-16", OWNED.with_tensors({**PAIR, FIRST: fine}, **{"concepts/a": 9}))


def _tables() -> Iterator[Vector]:
    must = Must("table", "digest-mismatch")
    more = {**PAIR, "graph/more": Tensor("U8", (1,), b"\0")}
    other = {**PAIR, LAST: Tensor("F32", (2,), bytes(8))}
    reshaped = {**PAIR, LAST: replace(PAIR[LAST], shape=(1, 2))}
    retyped = {**PAIR, LAST: replace(PAIR[LAST], dtype="I32")}
    renamed = {**TENSORS, "graph/names": PAIR[LAST]}
    for name, tensors in (
        ("tensor-stripped", TENSORS),
        ("tensor-added", more),
        ("tensor-changed", other),
        ("tensor-reshaped", reshaped),
        ("tensor-retyped", retyped),
        ("tensor-renamed", renamed),
    ):
        yield must.refuse("table", name, replace(PAIRED, tensors_part=PAIRED.with_tensors(tensors).tensor_bytes))
    yield must.refuse("table", "digest-lies", OWNED.but("tensors.0.sha256", "sha256:" + "00" * 32))
    yield must.refuse("table", "swapped", _swapped())


def _swapped() -> Forge:
    """Two tensors of one form, under each other's name."""
    pair = {"graph/a": Tensor("U8", (1,), b"\1"), "graph/b": Tensor("U8", (1,), b"\2")}
    swapped = {"graph/a": pair["graph/b"], "graph/b": pair["graph/a"]}
    packet = OWNED.with_tensors(pair)
    return replace(packet, tensors_part=packet.with_tensors(swapped).tensor_bytes)
