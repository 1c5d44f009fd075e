"""The names of the rules that a packet can break (docs/packet.md, *Rules*).

They are part of the format: other verifiers, test vectors and the broker's problem details use the same words. Every
error that refuses a packet starts with one, then a colon, then what was found.
"""

from typing import Literal, NoReturn

from m2kt.errors import M2KTError, ManifestError

Container = Literal["packet-size", "magic", "truncated", "part-size", "empty-part", "trailing"]
Json = Literal[
    "size",
    "byte-order-mark",
    "utf-8",
    "depth",
    "tokens",
    "json",
    "duplicate-key",
    "float",
    "integer-range",
    "object",
    "text",
    "type",
    "canonical",
]
Fields = Literal["missing-key", "unknown-key", "pattern", "time", "count", "mapping", "list"]
Envelope = Literal[
    "payload-type",
    "signatures",
    "keyid",
    "base64",
    "signature-length",
    "duplicate-signature",
    "untrusted",
    "signature",
    "false-keyid",
]
Statement = Literal["statement-type", "predicate-type", "subjects"]
Manifest = Literal["schema", "kind", "parents", "tensors", "section", "precision", "dtype"]
Tensors = Literal[
    "header", "padding", "tensor-name", "entry", "shape", "data-offsets", "data-length", "not-finite", "low-bits"
]
Binding = Literal["table", "other-packet", "other-manifest"]

Rule = Container | Json | Fields | Envelope | Statement | Manifest | Tensors | Binding


def refuse(rule: Rule, detail: str, error: type[M2KTError] = ManifestError) -> NoReturn:
    """Raise ``error``, which names ``rule``."""
    raise error(f"{rule}: {detail}")


def rule_of(error: M2KTError) -> str:
    """The name of the rule that ``error`` refuses a packet for."""
    return error.detail.partition(":")[0]


def inside(place: str, error: M2KTError) -> str:
    """The detail of ``error``, telling also which part of the packet it is about."""
    rule, _, found = error.detail.partition(": ")
    return f"{rule}: in {place}, {found}"
