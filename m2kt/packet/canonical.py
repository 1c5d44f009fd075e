"""RFC 8785 (JCS) out, strict I-JSON (RFC 7493) in.

One value has one encoding: `loads` refuses every byte string that `dumps` would not have written. Numbers are integers
within ±(2^53 - 1); decimals travel as strings. A `ManifestError` starts with the name of the rule that was broken.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import rfc8785

from m2kt.packet.rules import refuse

MAX_INT = 2**53 - 1
MAX_DEPTH = 32
MAX_TOKENS = 2**19
"""Commas, brackets and strings in one part: a byte of JSON can cost a hundred in memory, so their number is bounded.
The largest manifest that obeys all other rules has half as many."""

# RFC 7493 section 2.1 forbids surrogates and noncharacters; NUL is refused because Postgres cannot store it in text.
_PLANES = "".join(chr(plane * 0x10000 + last) for plane in range(17) for last in (0xFFFE, 0xFFFF))
_FORBIDDEN = re.compile(f"[\x00\ud800-\udfff\ufdd0-\ufdef{_PLANES}]")

# A whole string, a bracket or a comma. An unterminated string runs to the end, so that the scan stays linear.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[\]{},]', re.DOTALL)


# Where they stand, RFC 8785 orders keys otherwise than Python does: by UTF-16 code units (section 3.2.3).
_ASTRAL = re.compile("[\U00010000-\U0010ffff]")
_fast = json.JSONEncoder(ensure_ascii=False, check_circular=False, sort_keys=True, separators=(",", ":")).encode


def dumps(value: object, *, max_depth: int = MAX_DEPTH) -> bytes:
    """Canonical bytes of ``value`` (RFC 8785): dicts, lists, tuples, text, integers, booleans and None only."""
    _check(value, max_depth)
    text = _fast(value)
    # Of what `_check` lets pass, both write the same text (the tests compare them) but for the order of odd keys.
    odd = not text.isascii() and _ASTRAL.search(text)
    return rfc8785.dumps(value) if odd else text.encode()  # type: ignore[arg-type]


def loads(data: bytes, *, max_bytes: int, max_depth: int = MAX_DEPTH) -> dict[str, Any]:
    """The object in ``data``, which must be canonical already; `ManifestError` names the rule it breaks."""
    if len(data) > max_bytes:
        refuse("size", f"{len(data)} bytes, the limit is {max_bytes}")
    text = _decode(data)
    _check_tree(data, max_depth)
    value = _parse(text)
    if not isinstance(value, dict):
        refuse("object", "the outermost value must be an object")
    if not _plainly_canonical(text, value) and dumps(value, max_depth=max_depth) != data:
        refuse("canonical", "the bytes are not the canonical form (RFC 8785) of what they say")
    return value


def _plainly_canonical(text: str, value: object) -> bool:
    """Whether ``text`` is the canonical form of the ``value`` in it, as far as that can be seen without a walk through
    it: the parser has refused floats, large integers and double keys, and no text in it is odd or escaped as odd."""
    odd = "\\u" in text or (not text.isascii() and (_ASTRAL.search(text) or _FORBIDDEN.search(text)))
    return not odd and _fast(value) == text


def _decode(data: bytes) -> str:
    if data.startswith(b"\xef\xbb\xbf"):
        refuse("byte-order-mark", "RFC 8259 section 8.1 forbids one")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        refuse("utf-8", f"byte {error.start} is not UTF-8")


def _check_tree(data: bytes, max_depth: int) -> None:
    """Before the parser runs, because its recursion and its memory are what deep and wide values attack."""
    if len(data) <= MAX_TOKENS and data.count(b"[") + data.count(b"{") <= max_depth:
        return  # even if each byte were a token, and each bracket stood in the one before it
    depth = 0
    for count, token in enumerate(_TOKEN.finditer(data), 1):
        first = data[token.start()]
        depth += (first in b"[{") - (first in b"]}")
        if depth > max_depth:
            refuse("depth", f"nested deeper than {max_depth}")
        if count > MAX_TOKENS:
            refuse("tokens", f"more than {MAX_TOKENS} commas, brackets and strings")


def _parse(text: str) -> object:
    try:
        return json.loads(
            text,
            object_pairs_hook=_unique,
            parse_int=_integer,
            parse_float=lambda literal: refuse("float", f"{literal[:40]}: write decimals as strings"),
            parse_constant=lambda literal: refuse("float", f"{literal} is no JSON"),
        )
    except ValueError as error:
        refuse("json", str(error))


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            refuse("duplicate-key", f"{key[:80]!r} occurs twice in one object")
        found[key] = value
    return found


def _integer(literal: str) -> int:
    # The length first: Python takes quadratic time over very long integers.
    if len(literal) > len(str(MAX_INT)) + 1 or abs(int(literal)) > MAX_INT:
        refuse("integer-range", f"{literal[:40]} is outside ±(2^53 - 1)")
    return int(literal)


def _check(value: object, depth: int) -> None:
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, bool) or value is None:
        return
    elif isinstance(value, int):
        if abs(value) > MAX_INT:
            refuse("integer-range", "an integer is outside ±(2^53 - 1)")
    elif isinstance(value, float):
        refuse("float", f"{value!r}: write decimals as strings")
    elif isinstance(value, dict | list | tuple):
        if depth == 0:
            refuse("depth", "nested too deeply")
        for each in _members(value):
            _check(each, depth - 1)
    else:
        refuse("type", f"{type(value).__name__} has no JSON form here")


def _members(value: Mapping[object, object] | list[object] | tuple[object, ...]) -> Iterator[object]:
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                refuse("type", "object keys must be text")
            _check_text(key)
        yield from value.values()
    else:
        yield from value


def _check_text(text: str) -> None:
    if found := _FORBIDDEN.search(text):
        refuse("text", f"U+{ord(found.group()):04X} is not allowed in text")
