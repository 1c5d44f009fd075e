import json
import time

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from m2kt.errors import ManifestError
from m2kt.packet import canonical

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")).filter(
    lambda text: not any(ord(each) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(each) <= 0xFDEF for each in text)
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-canonical.MAX_INT, canonical.MAX_INT) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def loads(data: bytes) -> dict[str, object]:
    return canonical.loads(data, max_bytes=1 << 22)


@given(st.dictionaries(TEXT, VALUES, max_size=5))
def test_what_dumps_writes_loads_reads(value: dict[str, object]) -> None:
    assert loads(canonical.dumps(value)) == value


@given(st.dictionaries(TEXT, VALUES, max_size=5))
def test_the_fast_encoder_writes_what_rfc_8785_has(value: dict[str, object]) -> None:
    assert canonical.dumps(value) == rfc8785.dumps(value)


@given(st.binary(max_size=64))
def test_arbitrary_bytes_are_refused_or_canonical(data: bytes) -> None:
    try:
        value = loads(data)
    except ManifestError:
        return
    assert canonical.dumps(value) == data


def test_keys_sort_by_utf_16_code_units() -> None:
    # RFC 8785 section 3.2.3: U+1F600 (surrogates D83D DE00) stands before U+FB33.
    assert canonical.dumps({"\ufb33": 1, "\U0001f600": 2}) == '{"\U0001f600":2,"\ufb33":1}'.encode()


@pytest.mark.parametrize(
    ("rule", "data"),
    [
        ("duplicate-key", b'{"a":1,"a":1}'),
        ("duplicate-key", b'{"a":{"b":1,"\\u0062":1}}'),
        ("float", b'{"a":1.0}'),
        ("float", b'{"a":1e3}'),
        ("float", b'{"a":NaN}'),
        ("float", b'{"a":-Infinity}'),
        ("integer-range", b'{"a":9007199254740992}'),
        ("integer-range", b'{"a":' + b"9" * 100_000 + b"}"),
        ("canonical", b'{"a":-0}'),
        ("canonical", b'{"a": 1}'),
        ("canonical", b'{"b":1,"a":1}'),
        ("canonical", b'{"a":"\\u0041"}'),
        ("byte-order-mark", b'\xef\xbb\xbf{"a":1}'),
        ("utf-8", b'{"a":"\xff"}'),
        ("utf-8", b'{"a":"\xed\xa0\x80"}'),
        ("text", b'{"a":"\\ud800"}'),
        ("text", b'{"a":"\\u0000"}'),
        ("text", b'{"a\\u0000":1}'),
        ("text", '{"a":"\uffff"}'.encode()),
        ("object", b"[1]"),
        ("object", b"1"),
        ("json", b""),
        ("json", b'{"a":1}x'),
        ("json", b'{"a":"'),
        ("depth", b'{"a":' * 33 + b"1" + b"}" * 33),
        ("depth", b"[" * 1_000_000),
    ],
)
def test_refuses_naming_the_rule(rule: str, data: bytes) -> None:
    with pytest.raises(ManifestError, match=f"^{rule}:"):
        loads(data)


def test_brackets_inside_text_are_no_nesting() -> None:
    assert loads(json.dumps({"a": '[{"\\' * 100}, separators=(",", ":")).encode())


def test_32_levels_are_read() -> None:
    assert loads(b'{"a":' * 32 + b"1" + b"}" * 32)


def test_size_is_checked_first() -> None:
    with pytest.raises(ManifestError, match=r"^size:"):
        canonical.loads(b"x" * 11, max_bytes=10)


@pytest.mark.parametrize("data", [b'{"' + b'\\"' * 1_000_000, b'{"a":' + b'"a' * 1_000_000, b"\\" * 2_000_000])
def test_hostile_text_takes_linear_time(data: bytes) -> None:
    began = time.process_time()
    with pytest.raises(ManifestError):
        loads(data)
    assert time.process_time() - began < 10  # quadratic would be hours


@pytest.mark.parametrize("value", [1.5, float("nan"), 2**53, "\ud800", "a\x00", {1: 2}, {"a": b"x"}, {"a": {1, 2}}])
def test_dumps_refuses_what_has_no_form(value: object) -> None:
    with pytest.raises(ManifestError):
        canonical.dumps(value)


def test_dumps_refuses_a_value_that_contains_itself() -> None:
    value: list[object] = []
    value.append(value)
    with pytest.raises(ManifestError, match=r"^depth:"):
        canonical.dumps(value)
