"""A second reader of a container's structure, which shares no code with the first: two parsers that disagree about one
file are how things are smuggled past a check (differential parsing)."""

import json
import struct
from collections.abc import Iterator
from hashlib import sha256
from math import prod
from typing import Any

from m2kt.scan.check import Subject
from m2kt.scan.verdict import Finding

WIDTHS = {"F16": 2, "F32": 4, "I32": 4, "I64": 8, "U8": 1}


class _Odd(Exception):
    """The second reader does not get through."""


def headers(subject: Subject) -> Iterator[Finding]:
    """Both readers see the same tensors: names, types, shapes, and the digests of the bytes where they lie."""
    try:
        second = dict(_tensors(bytes(subject.packet.tensor_bytes)))
    except (_Odd, ValueError, KeyError, TypeError, struct.error, RecursionError) as error:
        yield Finding("tensors", f"a second reader stops: {error}")
        return
    first = {each.name: (each.dtype, list(each.shape), each.sha256) for each in subject.packet.manifest.tensors}
    for name in sorted(first.keys() | second.keys()):
        if first.get(name) != second.get(name):
            yield Finding(name, f"one reader sees {first.get(name)}, the other {second.get(name)}")
    if subject.data:
        yield from _container(subject)


def _tensors(data: bytes) -> Iterator[tuple[str, tuple[str, list[int], str]]]:
    (length,) = struct.unpack_from("<Q", data)
    start = 8 + length
    if start > len(data):
        raise _Odd("the header ends after the data")
    entries = json.loads(data[8:start].decode("ascii"), object_pairs_hook=_unique)
    spans = []
    for name, entry in entries.items():
        begin, end = entry["data_offsets"]
        if end - begin != WIDTHS[entry["dtype"]] * prod(entry["shape"]) or begin < 0 or start + end > len(data):
            raise _Odd(f"{name} does not fit its place")
        spans.append((begin, end))
        digest = sha256(data[start + begin : start + end]).hexdigest()
        yield name, (entry["dtype"], entry["shape"], f"sha256:{digest}")
    spans.sort()
    joined = [0, *(end for _, end in spans)]
    if joined[:-1] != [begin for begin, _ in spans] or joined[-1] != len(data) - start:
        raise _Odd("the tensors do not cover the data exactly")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) != len(pairs):
        raise _Odd("a key stands twice")
    return dict(pairs)


def _container(subject: Subject) -> Iterator[Finding]:
    """The three parts, by their lengths, are the ones that the first reader took."""
    data, offset, parts = subject.data, 8, []
    while offset + 8 <= len(data):
        (length,) = struct.unpack_from("<Q", data, offset)
        parts.append(data[offset + 8 : offset + 8 + length])
        offset += 8 + length
    if offset != len(data) or len(parts) != 3:
        yield Finding("container", f"a second reader finds {len(parts)} parts and ends at {offset} of {len(data)}")
        return
    if parts[1] != subject.packet.manifest_bytes or parts[2] != bytes(subject.packet.tensor_bytes):
        yield Finding("container", "two readers find different manifests or tensors in it")
