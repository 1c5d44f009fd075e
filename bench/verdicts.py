"""What the two verifiers say of the same bytes: the library, and the one that was written from docs/packet.md alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from deploy import verify_packet as standalone
from m2kt.errors import M2KTError, UsageError
from m2kt.packet import rule_of
from m2kt.signing import TrustStore, verify_packet
from m2kt.signing.keys import parse_public


@dataclass(frozen=True)
class Verdict:
    """*Verdicts* of docs/packet.md: accepted packets have an id and signers, refused ones a class and a rule."""

    refused: str = ""
    rule: str = ""
    packet_id: str = ""
    key_ids: tuple[str, ...] = ()

    def agrees(self, other: "Verdict") -> bool:
        """Both accept the same, or both refuse in the same class: what the format asks of two verifiers."""
        return (self.refused, self.packet_id, self.key_ids) == (other.refused, other.packet_id, other.key_ids)


KEY_REFUSED = Verdict("usage", "key")
Verifier = Callable[[bytes, Sequence[str]], Verdict]


def by_library(data: bytes, keys: Sequence[str]) -> Verdict:
    """Keys are given in their text form, as people give them."""
    try:
        found = verify_packet(data, TrustStore.of([parse_public(each) for each in keys]))
    except UsageError:
        return KEY_REFUSED
    except M2KTError as error:
        return Verdict(error.code, rule_of(error))
    return Verdict(packet_id=found.packet.packet_id, key_ids=tuple(sorted(found.key_ids)))


def by_standalone(data: bytes, keys: Sequence[str]) -> Verdict:
    """The same of ``deploy/verify_packet.py``."""
    try:
        trusted = [standalone.read_key(each) for each in keys]
    except (ValueError, OSError):  # what is no key is taken for a file
        return KEY_REFUSED
    try:
        found = standalone.verify(data, trusted)
    except standalone.Refused as refused:
        return Verdict(*refused.args)
    return Verdict(packet_id=found["packet_id"], key_ids=tuple(found["key_ids"]))
