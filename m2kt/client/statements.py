"""Statements as an auditor takes them: signed by who may, about what they are listed under, and in the log."""

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from m2kt.client.transport import Json
from m2kt.errors import M2KTError
from m2kt.log.entries import entry_of
from m2kt.signing.dsse import Envelope
from m2kt.signing.keys import TrustStore
from m2kt.signing.statement import read_attestation

Report = Callable[[str, str], None]
"""Told what is wrong: where, and how."""

SKEW_SECONDS = 60


@dataclass(frozen=True)
class Said:
    """A verified statement, and its place in the log: nothing while it may still be waiting."""

    kind: str
    predicate: Mapping[str, Any]
    index: int | None

    @property
    def order(self) -> float:
        """Statements that wait came last."""
        return float("inf") if self.index is None else self.index


class Statements:
    """The log's entries, each to be claimed by the statement that it stands for."""

    def __init__(self, places: dict[bytes, int], now: float, patience: float, report: Report) -> None:
        self._places, self._now, self._patience, self.report = places, now, patience, report
        self.unclaimed = set(places.values())

    def claim(self, pae: bytes, where: str, created: str) -> int | None:
        """The place of a statement in the log. One that is missing is reported, unless it was made just now."""
        index = self._places.get(entry_of(pae))
        if index is None:
            age = self._now - datetime.fromisoformat(created).timestamp()
            if not -SKEW_SECONDS <= age <= self._patience:
                self.report(where, "this statement is not in the log: it was changed, or added behind the log's back")
            return None
        self.unclaimed.discard(index)
        return index

    def read(self, item: Json, where: str, kind: str, subject: str, trust: TrustStore) -> Said | None:
        """The statement of ``kind`` in a listed item, claimed; what is wrong with it is reported."""
        try:
            data = base64.b64decode(str(item["envelope"]), validate=True)
            found = read_attestation(data, trust, kind)
            envelope = Envelope.from_bytes(data)
        except (binascii.Error, ValueError, M2KTError) as error:
            self.report(where, f"it does not verify: {error}")
            return None
        if found.subject != subject:
            self.report(where, f"it is listed under {subject}, and is about {found.subject}")
        if item.get("digest", _digest(data)) != _digest(data):
            self.report(where, "its digest is listed wrongly")
        if item.get("signer", found.key_ids[0]) not in found.key_ids:
            self.report(where, "its signer is listed wrongly")
        return Said(kind, found.predicate, self.claim(envelope.pae, where, str(item["created"])))


def _digest(data: bytes) -> str:
    return f"sha256:{sha256(data).hexdigest()}"
