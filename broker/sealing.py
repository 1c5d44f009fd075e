"""The key with which the broker seals its rows: derived from its private key, and never kept in the database.

Postgres computes the seals (`migrations/versions/0005_seals.py` says why) with a key that each connection of the
broker's programs brings along; whoever reads or changes tables does not have it. The audit computes them again here.
"""

import hmac
from dataclasses import dataclass
from hashlib import sha256

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from m2kt.signing.keys import PrivateKey

SETTING = "m2kt.seal"
"""The connection's setting that holds the key: `SealKey.text`."""

RENDERING = "-c timezone=UTC -c bytea_output=hex"
"""What is sealed is a row's text, so its times and bytes must always be written in the same way."""

_INFO = b"m2kt row seal v1"
_BLOCK = 64
_ID_BYTES = 8


@dataclass(frozen=True, repr=False)
class SealKey:
    """32 secret bytes (RFC 5869), and what tells one such key from another."""

    secret: bytes
    id: bytes

    @classmethod
    def of(cls, key: PrivateKey) -> "SealKey":
        """The seal key that belongs to a broker's private key."""
        secret = HKDF(SHA256(), 32 + _ID_BYTES, salt=None, info=_INFO).derive(key.private_bytes_raw())
        return cls(secret[:32], secret[32:])

    def seal(self, table: str, content: str) -> bytes:
        """The key's id and HMAC-SHA256 over the table's name and the row's text: 40 bytes."""
        return self.id + hmac.digest(self.secret, f"{table}\n{content}".encode(), "sha256")

    @property
    def text(self) -> str:
        """For the setting: the id and HMAC's two blocks (RFC 2104), in hexadecimal."""
        padded = self.secret.ljust(_BLOCK, b"\0")
        blocks = (bytes(each ^ pad for each in padded) for pad in (0x36, 0x5C))
        return self.id.hex() + "".join(each.hex() for each in blocks)

    @property
    def options(self) -> str:
        """For the connection's start."""
        return f"-c {SETTING}={self.text} {RENDERING}"


def source_digest(source: str) -> str:
    """How the audit knows a function's text again."""
    return sha256(source.encode()).hexdigest()
