"""Vectors that every verifier accepts: the edges of the rules, from inside."""

from collections.abc import Iterator
from dataclasses import replace

from bench.forge import DIGEST, PAYLOAD_TYPE, Forge, Tensor, dump, key_id, key_of, pae
from tests.m2kt.vectors.corpus import OTHER, OWNED, OWNER, STRANGER, Must, Vector, texts_of

MESSAGE = pae(PAYLOAD_TYPE, OWNED.payload_bytes)


def vectors() -> Iterator[Vector]:
    """Accepted."""
    yield from _signatures()
    yield from _manifests()
    yield from _tensors()


def _signed(*signatures: tuple[str, bytes]) -> Forge:
    return replace(OWNED, envelope=OWNED.signed_by(*signatures))


def _signatures() -> Iterator[Vector]:
    must, mine = Must("accept"), (key_id(OWNER), OWNER.sign(MESSAGE))
    both, sig = texts_of(OWNER, OTHER), OWNED.envelope_value["signatures"][0]["sig"]
    yield must.accept("plain", OWNED)
    yield must.accept("other-key", replace(OWNED, keys=(OTHER,)), texts_of(OTHER))
    yield must.accept("one-of-two-trusted", OWNED, both)
    yield must.accept("signed-twice", replace(OWNED, keys=(OWNER, OTHER)), both)
    yield must.accept("signed-twice-in-other-order", replace(OWNED, keys=(OTHER, OWNER)), both)
    yield must.accept("stranger-besides", replace(OWNED, keys=(STRANGER, OWNER)))
    yield must.accept("garbage-of-nobody-besides", _signed(mine, ("", bytes(64))))
    yield must.accept("unnamed", _signed(("", mine[1])))
    yield must.accept("sixteen-signatures", replace(OWNED, keys=tuple(key_of(index) for index in range(1, 17))))
    url_safe = sig.replace("+", "-").replace("/", "_")
    yield must.accept("url-safe-signature", OWNED.envelope_but("signatures.0.sig", url_safe))
    payload = OWNED.but("symbols", ["\U0010fffd?>~"])
    text = payload.envelope_value["payload"]
    yield must.accept("url-safe-payload", payload.envelope_but("payload", text.replace("+", "-").replace("/", "_")))


def _manifests() -> Iterator[Vector]:
    must = Must("accept")
    fields: dict[str, tuple[str, object]] = {
        "kind-aggregate": ("kind", "aggregate"),
        "name-longest": ("name", "a" * 128),
        "name-with-dots": ("name", "a.b_c-d/e.f"),
        "version-full": ("version", "1.2.3-rc.1+build.5"),
        "version-longest": ("version", "1.0.0-" + "a" * 58),
        "leap-day": ("created", "2024-02-29T23:59:59Z"),
        "parents-64": ("parents", [f"sha256:{index:064x}" for index in range(64)]),
        "maps-empty": ("confidence", {}),
        "decimals": ("confidence", {"A/b": "-0.000000000000000001", "z": "999999999999999999"}),
        "symbols-not-normalised": ("symbols", ["\u00e9", "e\u0301", "\ufb01", "", "\t\n", "\U0001f600"]),
        "symbols-twice": ("symbols", ["a", "a"]),
        "symbols-none": ("symbols", []),
        "symbol-longest": ("symbols", ["\U0001f600" * 1024]),
        "settings-widest": ("extraction.settings", {"a": 2**53 - 1, "b": -(2**53 - 1), "c": "x" * 1024}),
        "licence-longest": ("licence", "é" * 256),
        "family-with-capitals": ("teacher.family", "Family_1.5/x-y"),
        "ledger-empty": ("ledger", {}),
        "teacher-of-one-parameter": ("teacher.parameters", 1),
    }
    for name, (path, value) in fields.items():
        yield must.accept(name, OWNED.but(path, value))


def _tensors() -> Iterator[Vector]:
    must = Must("accept")
    one = Tensor("U8", (1,), b"\0")
    yield must.accept("one-tensor", OWNED.with_tensors({"graph/a": one}))
    yield must.accept("scalar", OWNED.with_tensors({"graph/a": Tensor("I64", (), bytes(8))}))
    yield must.accept("eight-dimensions", OWNED.with_tensors({"graph/a": Tensor("U8", (1,) * 8, b"\0")}))
    yield must.accept("all-dtypes", OWNED.with_tensors(_each_dtype()))
    longest = "graph/" + "a" * 122
    yield must.accept("tensor-name-longest", OWNED.with_tensors({longest: one}))
    yield must.accept(
        "name-order-is-by-bytes", OWNED.with_tensors({"graph/a-b": one, "graph/a/b": one, "graph/a": one})
    )
    subnormal = Tensor("F32", (3,), bytes.fromhex("01000000 ffff7f7f 000000c0"))
    yield must.accept("floats-extreme", OWNED.with_tensors({"graph/a": subnormal}))
    zero = Tensor("F16", (2,), bytes.fromhex("0080007c")[:2] + b"\0\x78")
    yield must.accept("precision-0", OWNED.with_tensors({"graph/a": zero}, **{"graph/a": 0}))
    anchors = {"anchors/states": Tensor("F16", (1, 1), b"\0\0"), "symbols/strings": Tensor("I32", (1,), bytes(4))}
    yield must.accept("kind-anchors", OWNED.but("kind", "anchors").with_tensors(anchors))
    yield must.accept("kind-exchange", OWNED.but("kind", "exchange").with_tensors({"exchange/mask": one}))
    derived = OWNED.but("parents", [DIGEST])
    yield must.accept("statement-by-hand", replace(derived, payload=dump(derived.statement_value)))


def _each_dtype() -> dict[str, Tensor]:
    sizes = {"F16": 2, "F32": 4, "I32": 4, "I64": 8, "U8": 1}
    return {f"graph/{dtype.lower()}": Tensor(dtype, (2,), bytes(2 * size)) for dtype, size in sizes.items()}
