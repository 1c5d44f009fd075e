"""Jobs that an agent holds over HTTP: take, keep, end. The rules are the ledger's (docs/jobs.md).

The heartbeat renews them (`Leases.told` is what it sends, `Leases.stop` what it does with an order), in a thread of its
own, so that a child which takes an hour never costs its lease.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from m2kt.agent.child import Progress
from m2kt.agent.guard import End, Guard
from m2kt.client import Client
from m2kt.errors import LeaseLost, M2KTError

MAX_REASON = 400
"""Characters of a reason that the job's trail keeps."""


@dataclass
class Held:
    """A leased job while it runs."""

    job: str
    kind: str
    spec: Mapping[str, Any]
    fence: int
    limit_seconds: float | None
    lease_seconds: float
    guard: Guard
    since: float
    """When the ledger had given it to us, by our own clock, and when we had asked for it."""
    asked: float
    progress: dict[str, Any] | None = None
    why: str = ""

    @property
    def lost(self) -> bool:
        return self.guard.end is End.LOST

    def report(self, progress: Progress) -> None:
        """For the next heartbeat."""
        self.progress = {"step": progress.step, "done": progress.done, "total": progress.total}

    def expires(self, heard: float) -> float:
        """By our own clock, when the broker last answered a beat of ``heard``: a little earlier than the ledger has it,
        since we count from before the question. A beat that began before we had the job did not renew it."""
        return (heard if heard >= self.since else self.asked) + self.lease_seconds


@dataclass(frozen=True)
class Offer:
    """What this host has for jobs; a job that needs more is not leased to it."""

    gpu: bool = False
    memory_mib: int = 0
    models: Sequence[str] = ()
    site: str | None = None

    def terms(self) -> dict[str, Any]:
        """As the broker reads them."""
        found = {"gpu": self.gpu, "memory_mib": self.memory_mib, "models": list(self.models)}
        return {**found, **({"site": self.site} if self.site else {})}


@dataclass
class Leases:
    """Everything that one session of an agent holds. ``heard``: when a heartbeat that was answered had begun."""

    client: Client
    session: str
    heard: Callable[[], float]
    clock: Callable[[], float] = time.monotonic
    _held: dict[str, Held] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, kinds: Sequence[str], offer: Offer) -> Held | None:
        """The next job of these kinds; None when nothing is due."""
        asked = self.clock()
        found = self.client.lease_job(self.session, kinds, **offer.terms())
        if found is None:
            return None
        seconds = float(found["lease_seconds"])
        held = Held(
            job=str(found["job"]),
            kind=str(found["kind"]),
            spec=found["spec"],
            fence=int(found["fence"]),
            limit_seconds=found["limit_seconds"],
            lease_seconds=seconds,
            guard=Guard(seconds),
            since=self.clock(),
            asked=asked,
        )
        with self._lock:
            self._held[held.job] = held
        return held

    # The heartbeat's side

    def told(self) -> list[dict[str, Any]]:
        """What a beat says that we hold."""
        return [
            {"job": each.job, "fence": each.fence, **({"progress": each.progress} if each.progress else {})}
            for each in self._all()
        ]

    def stop(self, job: str, why: str) -> None:
        """This job is ours no longer: end its child; nothing about it will be written any more."""
        with self._lock:
            held = self._held.pop(job, None)
        if held is not None:
            held.why = held.why or why
            held.guard.stop(End.LOST)

    def stop_all(self, why: str) -> None:
        """The session is over."""
        for each in self._all():
            self.stop(each.job, why)

    # The work's side

    def mind(self) -> None:
        """To be called now and then while a child works: it hears that we live, as long as the lease does."""
        for each in self._all():
            if self.clock() < each.expires(self.heard()):
                each.guard.lifeline.beat()
            else:
                self.stop(each.job, "it could not be renewed in time")

    def succeed(self, held: Held, result: Mapping[str, Any]) -> None:
        self._end(held, "succeeded", result=dict(result))

    def fail(self, held: Held, error: M2KTError, *, again: bool) -> None:
        """It said no (``failed``), or it broke and may go better next time."""
        told = {"code": error.code, "detail": error.detail, "hint": error.hint}
        self._end(held, "broke" if again else "failed", error=told)

    def give_back(self, held: Held, why: str, seconds: float = 0.0) -> None:
        """Unharmed: the attempt does not count. ``seconds`` later it is due again, for whoever can do it."""
        self._require(held)
        reason = " ".join(why.split())[:MAX_REASON]
        self.client.release_job(_lease(held), self.session, reason=reason, seconds=seconds)
        self._forget(held)

    def _end(self, held: Held, outcome: str, **said: Any) -> None:
        self._require(held)
        self.client.finish_job(_lease(held), self.session, outcome, **said)
        self._forget(held)

    def _require(self, held: Held) -> None:
        if held.lost:
            raise LeaseLost(f"job {held.job} is no longer ours: {held.why}")

    def _all(self) -> list[Held]:
        with self._lock:
            return list(self._held.values())

    def _forget(self, held: Held) -> None:
        with self._lock:
            self._held.pop(held.job, None)


def _lease(held: Held) -> dict[str, Any]:
    return {"job": held.job, "fence": held.fence}
