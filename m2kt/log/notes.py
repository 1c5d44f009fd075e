"""Signed notes (C2SP signed-note): a text, a blank line, and lines of signatures. Ed25519 only.

Two kinds of signature: a plain one (0x01), and a cosignature (0x04, C2SP tlog-cosignature) that also says when.
"""

import base64
import binascii
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256

from cryptography.exceptions import InvalidSignature

from m2kt.errors import CheckpointInvalid, UsageError
from m2kt.signing.keys import PrivateKey, PublicKey, parse_public, raw_public

MAX_NOTE_BYTES = 64 * 1024
MAX_SIGNATURES = 64
_DASH = "\N{EM DASH} "
_TIME_BYTES = 8
_SIGNATURE_BYTES = 64


class Kind(IntEnum):
    """Signature types, which are part of a key's hash."""

    NOTE = 0x01
    COSIGNATURE = 0x04


@dataclass(frozen=True)
class NoteKey:
    """Who may sign a note: a name, a key, and which kind of signature it makes."""

    name: str
    key: PublicKey
    kind: Kind

    @property
    def hash(self) -> bytes:
        """Four bytes: a hint, which together with the name says which key to try."""
        return _key_hash(self.name, self.kind, raw_public(self.key))

    @property
    def text(self) -> str:
        """A *vkey*: ``<name>+<hash in hexadecimal>+<base64 of kind and key>``."""
        return f"{self.name}+{self.hash.hex()}+{_base64(bytes([self.kind]) + raw_public(self.key))}"

    @classmethod
    def parse(cls, text: str) -> "NoteKey":
        """The key that `text` wrote; `UsageError` for anything else, and for keys that anybody can sign for."""
        name, _, rest = text.strip().partition("+")
        claimed, _, encoded = rest.partition("+")
        try:
            raw = base64.b64decode(encoded, validate=True)
            found = cls(name, parse_public(f"ed25519:{_base64(raw[1:])}"), Kind(raw[0]))
        except (binascii.Error, ValueError, IndexError) as error:
            raise UsageError("a note's key is written <name>+<hash>+<base64>, of an Ed25519 key") from error
        if not is_name(name) or found.hash.hex() != claimed or found.text != text.strip():
            raise UsageError(f"the hash in this key of {name!a} is not that of its name and key")
        return found


@dataclass(frozen=True)
class NoteSignature:
    """A line of signature, not checked: whose it claims to be, and its bytes."""

    name: str
    hash: bytes
    data: bytes

    @property
    def line(self) -> str:
        return f"{_DASH}{self.name} {_base64(self.hash + self.data)}\n"


@dataclass(frozen=True)
class Note:
    """A text and its signatures, none of them checked."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def to_bytes(self) -> bytes:
        return f"{self.text}\n{''.join(each.line for each in self.signatures)}".encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Note":
        """Parse strictly; `CheckpointInvalid` for anything that `to_bytes` would not have written."""
        try:
            whole = data.decode() if len(data) <= MAX_NOTE_BYTES else ""
        except UnicodeDecodeError:
            whole = ""
        text, blank, lines = whole.rpartition("\n\n")
        if not blank or not lines.endswith("\n") or any(each < " " and each != "\n" for each in whole):
            raise CheckpointInvalid("this is not a signed note")
        return cls(f"{text}\n", read_signatures(lines))

    def with_signatures(self, added: Collection[NoteSignature]) -> "Note":
        """The note with these signatures; each takes the place of an older one by the same key."""
        fresh = {(each.name, each.hash) for each in added}
        kept = [each for each in self.signatures if (each.name, each.hash) not in fresh]
        return Note(self.text, (*kept, *added))


@dataclass(frozen=True)
class Signed:
    """A signature that was verified; a cosignature's ``time`` in seconds since the epoch."""

    by: NoteKey
    time: int | None


def read_signatures(lines: str) -> tuple[NoteSignature, ...]:
    """Lines of signatures, each with its newline."""
    found = tuple(_read_line(each) for each in lines.split("\n")[:-1])
    if not lines.endswith("\n") or not 1 <= len(found) <= MAX_SIGNATURES:
        raise CheckpointInvalid(f"a signed note has 1 to {MAX_SIGNATURES} signatures, one in each line")
    return found


def sign(name: str, key: PrivateKey, text: str) -> NoteSignature:
    """A plain signature over ``text``."""
    return NoteSignature(name, NoteKey(name, key.public_key(), Kind.NOTE).hash, key.sign(text.encode()))


def cosign(name: str, key: PrivateKey, text: str, time: int) -> NoteSignature:
    """A signature that says that ``text`` is the largest checkpoint that its signer knew at ``time``."""
    hash_ = NoteKey(name, key.public_key(), Kind.COSIGNATURE).hash
    return NoteSignature(name, hash_, time.to_bytes(_TIME_BYTES) + key.sign(_cosigned(text, time)))


def verify(note: Note, keys: Sequence[NoteKey]) -> list[Signed]:
    """Who of ``keys`` signed, each once; signatures of others are skipped.

    `CheckpointInvalid` when a signature that names a known key is not that key's, or when nobody known signed.
    """
    known = {(each.name, each.hash): each for each in keys}
    found: dict[tuple[str, bytes], Signed] = {}
    for each in note.signatures:
        who = each.name, each.hash
        if who in found:
            raise CheckpointInvalid(f"{each.name} signed it twice")
        if who in known:
            found[who] = _verify_one(note.text, each, known[who])
    if not found:
        raise CheckpointInvalid("no key that is trusted for this log signed the checkpoint")
    return list(found.values())


def is_name(text: str) -> bool:
    """Whether C2SP allows it as the name of a key: not empty, no space, no plus, no control."""
    return 0 < len(text) <= 255 and text.isprintable() and not any(each.isspace() or each == "+" for each in text)


def _verify_one(text: str, signature: NoteSignature, key: NoteKey) -> Signed:
    timed = key.kind is Kind.COSIGNATURE
    time, raw = (signature.data[:_TIME_BYTES], signature.data[_TIME_BYTES:]) if timed else (b"", signature.data)
    at = int.from_bytes(time) if timed else None
    message = text.encode() if at is None else _cosigned(text, at)
    try:
        if len(raw) != _SIGNATURE_BYTES or (at or 0) >= 2**63:
            raise InvalidSignature
        key.key.verify(raw, message)
    except InvalidSignature:
        raise CheckpointInvalid(f"a signature claims to be by {key.name}, and is not") from None
    return Signed(key, at)


def _cosigned(text: str, time: int) -> bytes:
    return f"cosignature/v1\ntime {time}\n{text}".encode()


def _read_line(line: str) -> NoteSignature:
    dash, name, encoded = line[: len(_DASH)], *_two(line[len(_DASH) :])
    try:
        raw = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if dash != _DASH or not is_name(name) or len(raw) <= 4 or _base64(raw) != encoded:
        raise CheckpointInvalid("a line of signature is not as C2SP has it")
    return NoteSignature(name, raw[:4], raw[4:])


def _two(text: str) -> tuple[str, str]:
    name, _, rest = text.partition(" ")
    return name, rest


def _key_hash(name: str, kind: Kind, raw: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + bytes([kind]) + raw).digest()[:4]


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
