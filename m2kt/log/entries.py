"""What stands in the log of a broker: digests of statements, never their text."""

from hashlib import sha256

ENTRY_BYTES = 32
PUBLICATION = "publication"
"""Kind of the entry for a packet's own statement, which its publisher signed; others are named by their predicate."""


def entry_of(pae: bytes) -> bytes:
    """SHA-256 of a statement's pre-authentication encoding (DSSE): 32 bytes that name it without telling it."""
    return sha256(pae).digest()
