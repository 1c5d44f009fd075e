"""Parts of uploads in pieces, and the chain that says what they were.

A digest of all bytes so far cannot be continued from a row; a chain of the pieces' digests can.
"""

from collections.abc import Iterator
from hashlib import sha256

from broker.storage import Bytes

PIECE = 1024 * 1024
"""Bytes of a row; the last of a part has fewer."""


def pieces(data: Bytes) -> Iterator[tuple[int, memoryview]]:
    """A part in pieces: where each begins in it, and its bytes. An empty part is one empty piece."""
    view = memoryview(data)
    return ((at, view[at : at + PIECE]) for at in range(0, len(view) or 1, PIECE))


def chained(chain: str, piece: Bytes) -> str:
    """The chain one piece on: SHA-256 over the chain before it (hexadecimal, at first empty) and the piece's digest."""
    return sha256(chain.encode() + sha256(piece).digest()).hexdigest()
