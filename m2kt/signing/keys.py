"""Ed25519 keys (RFC 8032): files, text form, key ids and trust stores.

A private key is a PKCS #8 PEM file that only its owner may read. A public key travels as ``ed25519:<base64 of 32
bytes>``; its id is the SHA-256 of those 32 bytes, in hexadecimal. The file of a public key may say below when it counts
(`m2kt.signing.validity`).
"""

import base64
import binascii
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import NewType

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from m2kt.errors import KeyFileError, KeyNotValid, UsageError
from m2kt.files import write_atomically
from m2kt.signing.validity import ALWAYS, Validity

PrivateKey = Ed25519PrivateKey
PublicKey = Ed25519PublicKey
KeyId = NewType("KeyId", str)
"""64 hexadecimal digits: SHA-256 of the raw public key."""

_PREFIX = "ed25519:"
_MAX_FILE_BYTES = 16 * 1024
_PRIME = 2**255 - 19

# y coordinates of the points whose order divides 8 (RFC 8032 section 5.1 has the curve; the tests derive the list):
# for them, signatures can be made that verify without any private key. The sign bit of x does not matter.
_ORDER_8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_SMALL_ORDER = frozenset({0, 1, _PRIME - 1, _ORDER_8, _PRIME - _ORDER_8})


def generate() -> PrivateKey:
    """A new private key."""
    return Ed25519PrivateKey.generate()


def raw_public(key: PublicKey) -> bytes:
    """The 32 bytes of RFC 8032 section 5.1.5."""
    return key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def key_id(key: PublicKey) -> KeyId:
    """SHA-256 of the raw public key, in hexadecimal."""
    return KeyId(sha256(raw_public(key)).hexdigest())


def public_text(key: PublicKey) -> str:
    """``ed25519:<base64>``."""
    return _PREFIX + base64.b64encode(raw_public(key)).decode()


def parse_public(text: str) -> PublicKey:
    """The key that `public_text` wrote; `UsageError` for anything else, and for keys that anybody can sign for."""
    encoded = text.strip().removeprefix(_PREFIX)
    try:
        raw = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise UsageError("a public key is written ed25519:<base64>") from error
    if len(raw) != 32 or text.strip() != _PREFIX + base64.b64encode(raw).decode():
        raise UsageError("a public key is written ed25519:<base64 of 32 bytes>")
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    if y >= _PRIME or y in _SMALL_ORDER:
        raise UsageError("this public key is a point of small order or not in canonical form: nobody may trust it")
    return Ed25519PublicKey.from_public_bytes(raw)


def rotation_message(name: str, old: str, new: str) -> bytes:
    """What a new key signs to follow key ``old`` of the agent ``name``; DSSE and HTTP signatures begin otherwise."""
    return f"m2kt key rotation\n{name}\n{old}\n{new}\n".encode()


def write_private(path: Path, key: PrivateKey) -> None:
    """Write PKCS #8 PEM, mode 0600; never over a file that exists."""
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    _write_new(path, pem, 0o600)


def write_public(path: Path, key: PublicKey, validity: Validity = ALWAYS) -> None:
    """Write ``ed25519:<base64>`` and what limits it, a line each; never over a file that exists."""
    _write_new(path, _public_lines(key, validity), 0o644)


def limit_public(path: Path, validity: Validity) -> None:
    """Write other limits into the file of a public key; the key stays."""
    write_atomically(path, _public_lines(load_trusted(path).key, validity))


def _public_lines(key: PublicKey, validity: Validity) -> bytes:
    return "".join(f"{line}\n" for line in (public_text(key), *validity.lines())).encode()


def _write_new(path: Path, data: bytes, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    except FileExistsError as error:
        raise KeyFileError(f"{path} exists already", hint="Choose another path: keys are never overwritten.") from error
    except OSError as error:
        raise KeyFileError(f"cannot write {path}: {error.strerror}") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def load_private(path: Path) -> PrivateKey:
    """The key in ``path``; `KeyFileError` when others may read the file or it holds no Ed25519 key."""
    data, mode = _read(path)
    if mode & 0o077:
        detail = f"{path} has mode {mode:04o}: other users can read or change it"
        raise KeyFileError(detail, hint=f"Run `chmod 600 {path}`; if others may have read it, make a new key.")
    return parse_private(data, str(path))


def parse_private(pem: bytes, where: str) -> PrivateKey:
    """The key in unencrypted PKCS #8 PEM; ``where`` names the place in errors, which never quote it."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyFileError(f"{where} holds no unencrypted PKCS #8 private key") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFileError(f"{where} holds a key of another kind than Ed25519")
    return key


@dataclass(frozen=True)
class Trusted:
    """A public key, and when its signatures count."""

    key: PublicKey
    validity: Validity = ALWAYS


def load_trusted(path: Path) -> Trusted:
    """The public key in ``path`` and its limits, which are not judged here."""
    data, _ = _read(path)
    try:
        first, *rest = data.decode("ascii").rstrip("\n").split("\n")
        return Trusted(parse_public(first), Validity.parse(rest))
    except (UsageError, UnicodeDecodeError) as error:
        reason = error.detail if isinstance(error, UsageError) else "it is not text"
        raise KeyFileError(f"{path}: {reason}", hint="`m2kt key show` prints a key's public half.") from error


def load_public(path: Path) -> PublicKey:
    """The public key in ``path``, which must count now: for callers that remember no limits."""
    found = load_trusted(path)
    found.validity.require(datetime.now(UTC), str(path))
    return found.key


def _read(path: Path) -> tuple[bytes, int]:
    """Content and permission bits, both of the one file that was opened."""
    try:
        # Non-blocking, so that a FIFO in place of the file does not hang us.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise KeyFileError(f"{path} is not a regular file")
            data = file.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        raise KeyFileError(f"cannot read {path}: {error.strerror}") from error
    if len(data) > _MAX_FILE_BYTES:
        raise KeyFileError(f"{path} is too long for a key file")
    return data, stat.S_IMODE(status.st_mode)


class TrustStore(Mapping[KeyId, PublicKey]):
    """Public keys that a verifier trusts, by id. When they count is a second question: `require_valid`."""

    def __init__(self, keys: Iterable[PublicKey | Trusted] = ()) -> None:
        listed = [each if isinstance(each, Trusted) else Trusted(each) for each in keys]
        self._trusted = {key_id(each.key): each for each in listed}

    @classmethod
    def of(cls, keys: Iterable[PublicKey]) -> "TrustStore":
        """A store of these keys."""
        return cls(keys)

    @classmethod
    def from_directory(cls, path: Path) -> "TrustStore":
        """All ``*.pub`` files of a directory; one bad file refuses the whole store."""
        if not path.is_dir():
            raise KeyFileError(f"{path} is not a directory", hint="Put the public keys you trust there, as *.pub.")
        return cls(load_trusted(each) for each in sorted(path.glob("*.pub")))

    @classmethod
    def from_path(cls, path: Path) -> "TrustStore":
        """A directory of ``*.pub`` files, or one public key file."""
        return cls.from_directory(path) if path.is_dir() else cls([load_trusted(path)])

    def require_valid(self, signers: Sequence[KeyId], at: datetime) -> tuple[KeyId, ...]:
        """Those of ``signers`` whose signatures of ``at`` count; `KeyNotValid` with the rule's name when none does."""
        faults = {each: self._trusted[each].validity.fault(at) for each in signers}
        counted = tuple(each for each, fault in faults.items() if fault is None)
        if not counted:
            raise KeyNotValid("; ".join(f"{fault} ({each[:16]})" for each, fault in faults.items()))
        return counted

    def valid_at(self, at: datetime) -> "TrustStore":
        """Those of the keys that count at a time."""
        return TrustStore(each for each in self._trusted.values() if each.validity.fault(at) is None)

    def without(self, *keys: KeyId) -> "TrustStore":
        """The store without these keys, the others with their limits."""
        return TrustStore(each for name, each in self._trusted.items() if name not in keys)

    def __getitem__(self, key: KeyId) -> PublicKey:
        return self._trusted[key].key

    def __iter__(self) -> Iterator[KeyId]:
        return iter(self._trusted)

    def __len__(self) -> int:
        return len(self._trusted)
