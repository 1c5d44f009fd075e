"""The test vectors: packets, each with the verdict that every verifier must give (docs/packet.md, *Verdicts*)."""

from collections.abc import Iterator
from dataclasses import dataclass

from bench.forge import PAIR, Forge, Key, base, key_of, public_text, raw_public

OWNER, OTHER, STRANGER = key_of(1), key_of(2), key_of(3)
OWNED = base(OWNER)
"""A packet that breaks no rule: every vector is one step away from it, or from `PAIRED`."""
PAIRED = OWNED.with_tensors(PAIR)
"""The same with a second tensor."""


def texts_of(*keys: Key) -> tuple[str, ...]:
    """Keys as a verifier is given them."""
    return tuple(public_text(raw_public(each)) for each in keys)


TRUSTED = texts_of(OWNER)


@dataclass(frozen=True)
class Vector:
    """A packet, the keys that its reader trusts, and the class and rule it is refused for (both empty: accepted)."""

    name: str
    data: bytes
    refused: str
    rule: str
    keys: tuple[str, ...] = TRUSTED


@dataclass(frozen=True)
class Must:
    """Names and collects the vectors of one group."""

    group: str
    refused: str = ""

    def refuse(self, rule: str, name: str, packet: Forge | bytes, keys: tuple[str, ...] = TRUSTED) -> Vector:
        """A packet that breaks ``rule``."""
        return Vector(f"{self.group}-{name}", _bytes(packet), self.refused, rule, keys)

    def accept(self, name: str, packet: Forge | bytes, keys: tuple[str, ...] = TRUSTED) -> Vector:
        """A packet that breaks none."""
        return Vector(f"{self.group}-{name}", _bytes(packet), "", "", keys)


def _bytes(packet: Forge | bytes) -> bytes:
    return packet if isinstance(packet, bytes) else packet.to_bytes()


def vectors() -> Iterator[Vector]:
    """All of them, in a fixed order."""
    from tests.m2kt.vectors import accepted, containers, envelopes, manifests, statements, stored, texts

    for module in (containers, envelopes, statements, texts, manifests, stored, accepted):
        yield from module.vectors()
