"""What the clients of a soak were told, and whether it is still true in the end.

An event is *acknowledged* when its answer arrived; one whose answer was lost may or may not have happened, and either
is right. What was acknowledged must hold for ever: a published packet is there with exactly the bytes that were sent,
a revoked one stays revoked, and no pull, at any time, returned other bytes or came after an acknowledged revocation.
"""

import random
import threading
from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256


@dataclass
class Told:
    """One packet as its publisher knows it."""

    packet_id: str
    digest: str
    revoking: bool = False
    revoked: bool = False


@dataclass
class History:
    """Shared by the threads of a soak; every change is under its lock."""

    events: Counter[str] = field(default_factory=Counter)
    acknowledged: Counter[str] = field(default_factory=Counter)
    packets: dict[str, Told] = field(default_factory=dict)
    unanswered: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    wrong_bytes: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def begins(self, what: str) -> None:
        with self.lock:
            self.events[what] += 1

    def ends(self, what: str) -> None:
        with self.lock:
            self.acknowledged[what] += 1

    def refused(self, code: str) -> None:
        with self.lock:
            self.unanswered[code] += 1

    def published(self, packet_id: str, data: bytes) -> None:
        with self.lock:
            self.packets[packet_id] = Told(packet_id, f"sha256:{sha256(data).hexdigest()}")
        self.ends("publish")

    def any(self, dice: random.Random) -> Told | None:
        with self.lock:
            return dice.choice(list(self.packets.values())[-2000:]) if self.packets else None

    def pulled(self, told: Told, revoked_before: bool, data: bytes) -> None:
        """``revoked_before``: whether a revocation was acknowledged before the pull was sent."""
        with self.lock:
            if f"sha256:{sha256(data).hexdigest()}" != told.digest:
                self.wrong_bytes += 1
                self.faults.append(f"{told.packet_id}: other bytes")
            if revoked_before:
                self.faults.append(f"{told.packet_id}: pulled after it was revoked")
        self.ends("pull")

    def lost(self, fault: str) -> None:
        with self.lock:
            self.faults.append(fault)
