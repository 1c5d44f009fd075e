"""Packets made by hand, right or wrong. Nothing here checks anything and nothing comes from `m2kt`: a forger would not
use our writer, and a defect of it must not hide in its own test.

A `Forge` derives each stage of a packet from the one before. Replace one field and all later stages follow it, so that
the packet breaks the rule that was meant and no other.
"""

import base64
import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

MAGIC = b"\x89M2KT\r\n\x01"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:m2kt:packet:v1"
WIDTH = {"F16": 2, "F32": 4, "I32": 4, "I64": 8, "U8": 1}
MANTISSA = {"F16": 10, "F32": 23}
DIGEST = "sha256:" + "ab" * 32

Json = dict[str, Any]
Key = Ed25519PrivateKey


def key_of(seed: int) -> Key:
    """The key whose 32 bytes of seed all are ``seed``; for tests, so everybody knows it."""
    return Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)


def raw_public(key: Key) -> bytes:
    """The 32 bytes of the public half."""
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def public_text(raw: bytes) -> str:
    """``ed25519:<base64>``."""
    return "ed25519:" + base64.b64encode(raw).decode()


def key_id(key: Key) -> str:
    """SHA-256 of the raw public key."""
    return sha256(raw_public(key)).hexdigest()


def dump(value: object) -> bytes:
    """JSON that is canonical as long as its keys are ASCII and its values allowed; nobody looks."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def pae(payload_type: str, payload: bytes) -> bytes:
    """What a DSSE signature is over."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def tree(leaves: list[bytes]) -> bytes:
    """The root of RFC 6962 over leaves that are not hashed yet."""
    if len(leaves) == 1:
        return sha256(b"\0" + leaves[0]).digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\1" + tree(leaves[:split]) + tree(leaves[split:])).digest()


def container(*parts: bytes) -> bytes:
    """The magic, then every part behind its length."""
    return MAGIC + b"".join(len(each).to_bytes(8, "little") + each for each in parts)


def framed(header: bytes, data: bytes) -> bytes:
    """A tensors part with the right padding of its header."""
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data


@dataclass(frozen=True)
class Tensor:
    """A tensor as it is stored."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes


TENSORS = {"concepts/a": Tensor("F16", (2, 2), bytes.fromhex("003c00c0 00380042"))}
PAIR = {**TENSORS, "graph/b": Tensor("F32", (2,), bytes.fromhex("0000803e 0000c03f"))}

MANIFEST: Json = {
    "schema": "m2kt.packet/1",
    "kind": "knowledge",
    "name": "a/b",
    "version": "1.2.3",
    "created": "2026-01-31T12:00:00Z",
    "domain": {"name": "d", "version": "0.1.0"},
    "teacher": {
        "name": "x/t",
        "family": "f",
        "base_family": "f",
        "parameters": 1000,
        "weights_sha256": DIGEST,
        "tokenizer_sha256": DIGEST,
    },
    "extraction": {"operator": "x/1", "settings": {"n": 64}, "seed": 7},
    "confidence": {"m": "0.97"},
    "coverage": {"t": "2 of 2"},
    "licence": "MIT",
    "parents": [],
    "ledger": {"n": 2},
    "symbols": ["é", "a\tb"],
    "leads": [" "],
}


def row(name: str, tensor: Tensor) -> Json:
    """The tensor's row of the manifest's table, which is also its Merkle leaf."""
    digest = f"sha256:{sha256(tensor.data).hexdigest()}"
    section = name.partition("/")[0]
    return {"name": name, "section": section, "dtype": tensor.dtype, "shape": list(tensor.shape), "sha256": digest}


def header_of(tensors: Mapping[str, Tensor]) -> Json:
    """The header of a tensors part without gaps."""
    header, offset = {}, 0
    for name, tensor in sorted(tensors.items()):
        end = offset + len(tensor.data)
        header[name] = {"data_offsets": [offset, end], "dtype": tensor.dtype, "shape": list(tensor.shape)}
        offset = end
    return header


@dataclass(frozen=True)
class Forge:
    """A packet in the making. ``None`` means: derived from the stages before."""

    manifest: Json
    tensors: Mapping[str, Tensor]
    keys: tuple[Key, ...]
    manifest_part: bytes | None = None
    tensors_part: bytes | None = None
    statement: Json | None = None
    payload: bytes | None = None
    payload_type: str = PAYLOAD_TYPE
    envelope: Json | None = None
    envelope_part: bytes | None = None

    @property
    def id(self) -> str:
        """The packet id, in hexadecimal."""
        digest = f"sha256:{sha256(self.manifest_bytes).hexdigest()}"
        last = {"name": "manifest", "section": "manifest", "sha256": digest}
        return tree([*(dump(row(*each)) for each in sorted(self.tensors.items())), dump(last)]).hex()

    @property
    def manifest_bytes(self) -> bytes:
        """The second part."""
        return dump(self.manifest) if self.manifest_part is None else self.manifest_part

    @property
    def tensor_bytes(self) -> bytes:
        """The third part."""
        if self.tensors_part is not None:
            return self.tensors_part
        return framed(dump(header_of(self.tensors)), b"".join(each.data for _, each in sorted(self.tensors.items())))

    @property
    def reference(self) -> str:
        """``name@version``."""
        return f"{self.manifest.get('name')}@{self.manifest.get('version')}"

    @property
    def statement_value(self) -> Json:
        """What is signed, as a value."""
        subject = {"name": self.reference, "digest": {"sha256": self.id}}
        made = {"_type": STATEMENT_TYPE, "subject": [subject], "predicateType": PREDICATE_TYPE}
        return {**made, "predicate": self.manifest} if self.statement is None else self.statement

    @property
    def payload_bytes(self) -> bytes:
        """What is signed."""
        return dump(self.statement_value) if self.payload is None else self.payload

    @property
    def envelope_value(self) -> Json:
        """The first part, as a value."""
        if self.envelope is not None:
            return self.envelope
        message = pae(self.payload_type, self.payload_bytes)
        return self.signed_by(*((key_id(each), each.sign(message)) for each in self.keys))

    def signed_by(self, *signatures: tuple[str, bytes]) -> Json:
        """The envelope with these signatures, given as key id and bytes."""
        listed = [{"keyid": keyid, "sig": base64.b64encode(sig).decode()} for keyid, sig in signatures]
        payload = base64.b64encode(self.payload_bytes).decode()
        return {"payload": payload, "payloadType": self.payload_type, "signatures": listed}

    @property
    def envelope_bytes(self) -> bytes:
        """The first part."""
        return dump(self.envelope_value) if self.envelope_part is None else self.envelope_part

    @property
    def parts(self) -> tuple[bytes, bytes, bytes]:
        """All three."""
        return self.envelope_bytes, self.manifest_bytes, self.tensor_bytes

    def to_bytes(self) -> bytes:
        """The container."""
        return container(*self.parts)

    def but(self, path: str, value: object) -> "Forge":
        """With one value of the manifest changed; ``path`` is dotted, numbers index lists. Replaces it everywhere."""
        return replace(self, manifest=changed(self.manifest, path, value))

    def envelope_but(self, path: str, value: object) -> "Forge":
        """With one value of the envelope changed after signing."""
        return replace(self, envelope=changed(self.envelope_value, path, value))

    def statement_but(self, path: str, value: object) -> "Forge":
        """With one value of the statement changed before signing."""
        return replace(self, statement=changed(self.statement_value, path, value))

    def with_tensors(self, tensors: Mapping[str, Tensor], **precision: int) -> "Forge":
        """With other tensors, and a manifest that describes them."""
        floats = {name: MANTISSA[each.dtype] for name, each in tensors.items() if each.dtype in MANTISSA}
        table = [row(*each) for each in sorted(tensors.items())]
        manifest = {**self.manifest, "tensors": table, "precision": floats | precision}
        return replace(self, manifest=manifest, tensors=tensors)


def base(*keys: Key) -> Forge:
    """A small packet that breaks no rule."""
    return Forge(deepcopy(MANIFEST), {}, keys or (key_of(1),)).with_tensors(TENSORS)


OWN_KEYS = (public_text(raw_public(key_of(1))),)
"""What trusts the packets of `base`."""

MISSING: Any = object()
"""Given as a value to `changed`: leave the key out."""


def changed(value: Json, path: str, new: object) -> Json:
    """A copy of ``value`` with the value at a dotted path replaced, added or (`MISSING`) left out."""
    copied: Json = deepcopy(value)
    *parents, last = path.split(".")
    place: Any = copied
    for each in parents:
        place = place[int(each) if isinstance(place, list) else each]
    if new is MISSING:
        del place[last]
    else:
        place[int(last) if isinstance(place, list) else last] = new
    return copied
