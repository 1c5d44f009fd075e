"""Vectors of canonical JSON, in each of the four places where JSON stands."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from bench.forge import Forge, dump, framed, header_of
from tests.m2kt.vectors.corpus import OWNED, Must, Vector

DATA = b"".join(OWNED.tensors[each].data for each in sorted(OWNED.tensors))
PLACES: tuple[tuple[str, str, bytes, Callable[[bytes], Forge]], ...] = (
    ("envelope", "signature-invalid", OWNED.envelope_bytes, lambda data: replace(OWNED, envelope_part=data)),
    ("statement", "signature-invalid", OWNED.payload_bytes, lambda data: replace(OWNED, payload=data)),
    ("manifest", "manifest-invalid", OWNED.manifest_bytes, lambda data: replace(OWNED, manifest_part=data)),
    (
        "header",
        "tensor-invalid",
        dump(header_of(OWNED.tensors)),
        lambda data: replace(OWNED, tensors_part=framed(data, DATA)),
    ),
)


def mistakes(right: bytes) -> Iterator[tuple[str, str, bytes]]:
    """Rule, name and bytes of everything that is wrong in every place; ``right`` is what should stand there."""
    yield "byte-order-mark", "byte-order-mark", b"\xef\xbb\xbf" + right
    yield "utf-8", "latin-1", right[:-1] + b',"\xe9":1}'
    yield "depth", "deep", b'{"a":' + b"[" * 33
    yield "json", "cut-short", right[:-1]
    yield "duplicate-key", "key-twice", right[:-1] + b"," + right[1:]
    yield "float", "nan", b'{"":NaN,' + right[1:]
    yield "integer-range", "long-integer", b'{"":' + b"9" * 40 + b"," + right[1:]
    yield "object", "list", b"[]"
    yield "text", "nul-in-key", b'{"\\u0000":1,' + right[1:]
    yield "canonical", "space", b"{ " + right[1:]


def vectors() -> Iterator[Vector]:
    """Refused in the class of the place."""
    for place, refused, right, put in PLACES:
        must = Must(f"json-{place}", refused)
        for rule, name, data in mistakes(right):
            yield must.refuse(rule, name, put(data))
    must = Must("json-manifest", "manifest-invalid")
    for rule, name, data in _manifest_mistakes(OWNED.manifest_bytes):
        yield must.refuse(rule, name, replace(OWNED, manifest_part=data))


def _manifest_mistakes(right: bytes) -> Iterator[tuple[str, str, bytes]]:
    yield "utf-8", "lone-byte", right.replace("é".encode(), b"\xe9")
    yield "depth", "10000-levels", b'{"a":' + b"[" * 10_000
    yield "json", "comma-last", right[:-1] + b",}"
    yield "json", "comment", b"{/**/" + right[1:]
    yield "utf-8", "overlong", right.replace("é".encode(), b"\xc0\xaf")
    yield "utf-8", "encoded-surrogate", right.replace("é".encode(), b"\xed\xa0\x80")
    yield "depth", "33-levels", right[:-1] + b',"x":' + b"[" * 32 + b"]" * 32 + b"}"
    yield "json", "tab-in-text", right.replace(b"a\\tb", b"a\tb")
    yield "json", "single-quotes", right.replace(b'"seed"', b"'seed'")
    yield "json", "leading-zero", right.replace(b'"seed":7', b'"seed":07')
    yield "json", "two-objects", right + right
    yield "duplicate-key", "escaped-twin", right[:-1] + b',"n\\u0061me":"a/c"}'
    yield "duplicate-key", "inner", right.replace(b'"seed":7', b'"seed":7,"seed":7')
    yield "float", "seed-1.0", right.replace(b'"seed":7', b'"seed":7.0')
    yield "float", "seed-exponent", right.replace(b'"seed":7', b'"seed":7e0')
    yield "float", "infinity", right.replace(b'"seed":7', b'"seed":-Infinity')
    yield "integer-range", "seed-2-53", right.replace(b'"seed":7', b'"seed":9007199254740992')
    yield "text", "nul", right.replace(b"a\\tb", b"a\\u0000b")
    yield "text", "lone-surrogate", right.replace(b"a\\tb", b"\\ud83d")
    yield "text", "noncharacter", right.replace("é".encode(), "\ufdd0".encode())
    yield "text", "last-of-a-plane", right.replace("é".encode(), "\U0010ffff".encode())
    yield "canonical", "newline-after", right + b"\n"
    yield "canonical", "minus-zero", right.replace(b'"seed":7', b'"seed":-0')
    yield "canonical", "needless-escape", right.replace("é".encode(), b"\\u00e9")
    yield "canonical", "long-escape", right.replace(b"a\\tb", b"a\\u0009b")
    yield "canonical", "slash-escaped", right.replace(b"x/t", b"x\\/t")
    yield (
        "canonical",
        "keys-unordered",
        right.replace(b'"name":"d","version":"0.1.0"', b'"version":"0.1.0","name":"d"'),
    )
