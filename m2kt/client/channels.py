"""Channels as a student follows them: a head counts when the broker signed and logged it, it has not ended, and it is
not older than one that was seen before."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from m2kt.client.receipts import LogRules
from m2kt.errors import ChannelFrozen, ChannelRolledBack, SignatureError
from m2kt.log.memory import Shelf
from m2kt.packet import PacketId
from m2kt.signing.statement import Attestation

SKEW_SECONDS = 300.0
"""How far the broker's clock may run ahead of ours."""


@dataclass(frozen=True)
class ChannelHead:
    """Where a channel leads, as the broker signed it: ``packet_id`` until ``expires``."""

    name: str
    channel: str
    serial: int
    version: str
    packet_id: PacketId
    expires: datetime
    at: datetime
    by: str

    @classmethod
    def of(cls, said: Attestation, name: str, channel: str) -> "ChannelHead":
        """The head in a verified statement; `SignatureError` when it is another channel's, or makes no sense."""
        told = said.predicate
        if (told.get("name"), told.get("channel")) != (name, channel):
            raise SignatureError(f"the statement is about the channel {told.get('channel')!a} of {told.get('name')!a}")
        serial, version, by = told.get("serial"), told.get("version"), told.get("by")
        if not isinstance(serial, int) or serial < 1 or not isinstance(version, str) or not isinstance(by, str):
            raise SignatureError("the head of a channel has a serial number from 1, a version and a mover")
        return cls(name, channel, serial, version, said.subject, _time(told, "expires"), _time(told, "at"), by)

    def require_fresh(self, now: float) -> None:
        """`ChannelFrozen` once it has ended: a broker that lives renews it long before."""
        if self.expires.timestamp() <= now:
            raise ChannelFrozen(f"the head of {self.name} {self.channel} was good until {self.expires.isoformat()}")
        if self.at.timestamp() > now + SKEW_SECONDS:
            raise ChannelFrozen(f"the head of {self.name} {self.channel} is of {self.at.isoformat()}, which is to come")


class HeadMemory:
    """The last head of each channel, in ``directory``. Checking and storing are one step under a lock, as with
    checkpoints (`m2kt.log.memory`)."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def advance(self, origin: str, head: ChannelHead) -> None:
        """Take a head in, or raise `ChannelRolledBack` when a newer one was seen, or another one with this serial."""
        named = json.dumps([origin, head.name, head.channel])
        shelf = Shelf(self._directory / f"{sha256(named.encode()).hexdigest()[:32]}.head")
        with shelf.held():
            stored = shelf.read()
            if stored is not None:
                _require_newer(json.loads(stored), head)
            shelf.write(json.dumps({"serial": head.serial, "packet_id": head.packet_id, "name": named}).encode())


def _require_newer(last: dict[str, Any], head: ChannelHead) -> None:
    if head.serial < last["serial"]:
        raise ChannelRolledBack(f"the channel {head.channel} of {head.name} was at {last['serial']}, not {head.serial}")
    if head.serial == last["serial"] and head.packet_id != last["packet_id"]:
        raise ChannelRolledBack(f"head {head.serial} of {head.name} {head.channel} led to {last['packet_id']} before")


def remember(rules: LogRules, origin: str, head: ChannelHead) -> None:
    """Check the head against the rules' memory, if they have one."""
    if rules.memory is not None:
        HeadMemory(rules.memory.directory).advance(origin, head)


def _time(told: Any, name: str) -> datetime:
    try:
        found = datetime.fromisoformat(str(told.get(name)))
    except ValueError as error:
        raise SignatureError(f"the head of a channel does not say {name}") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)
