"""Leased extraction jobs: this teacher's model, a job's domain and name."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from m2kt.agent.drain import Drain
from m2kt.agent.guard import End
from m2kt.agent.lease import Held, Leases, Offer
from m2kt.agent.supervise import Interrupted, minded
from m2kt.client import Client
from m2kt.domains import registered
from m2kt.errors import (
    ChildFailed,
    Conflict,
    DiskFull,
    LeaseLost,
    M2KTError,
    NotFound,
    TimeLimit,
    Unavailable,
    UsageError,
)
from m2kt.packet import Packet
from teacher_agent.config import Config
from teacher_agent.extraction import Wanted, extract_to, opened, says_the_same

NOOP = "noop"
KINDS = ("extract", NOOP)
ELSEWHERE_SECONDS = 30.0
"""Until a job that this teacher cannot do is due again: another one looks every few seconds."""

DISK_SECONDS = 60.0
MAX_PAUSE_SECONDS = 3600.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Orders:
    """Takes extraction jobs and ends each: with a packet, a reason, or by giving it back."""

    config: Config
    client: Client
    leases: Leases
    drain: Drain
    offer: Offer

    def step(self) -> bool:
        """One job, if one is due; whether there was. `Unavailable` when the broker is away."""
        held = self.leases.take(KINDS, self.offer)
        if held is None:
            return False
        log.info("job %s, attempt with fence %d", held.job, held.fence)
        try:
            self._work(held)
        except LeaseLost as error:
            log.warning("%s; what was done for it is thrown away", error.detail)
        self._packet(held).unlink(missing_ok=True)
        return True

    def _work(self, held: Held) -> None:
        if held.kind == NOOP:
            return self._pause(held)
        if why := unsuitable(held.spec, self.config):
            log.warning("job %s: %s", held.job, why)
            return self.leases.give_back(held, why, ELSEWHERE_SECONDS)
        try:
            result = self._extract_and_publish(held)
        except Interrupted as interrupted:
            if interrupted.end is End.LOST:
                raise LeaseLost(f"job {held.job} is no longer ours: {held.why}") from interrupted
            return self.leases.give_back(held, "this agent leaves")
        except LeaseLost:
            raise
        except DiskFull as error:
            return self.leases.give_back(held, error.detail, DISK_SECONDS)
        except M2KTError as error:
            again = isinstance(error, ChildFailed | Unavailable) and not isinstance(error, TimeLimit)
            return self.leases.fail(held, error, again=again)
        self.leases.succeed(held, result)

    def _pause(self, held: Held) -> None:
        """Wait for ``seconds`` and echo the spec, as the broker's own worker does: shows that the agent works."""
        seconds = held.spec.get("seconds", 0)
        if not isinstance(seconds, int | float) or not 0 <= seconds <= MAX_PAUSE_SECONDS:
            return self.leases.fail(held, UsageError(f"seconds must be from 0 to {MAX_PAUSE_SECONDS:g}"), again=False)
        until = time.monotonic() + seconds
        with minded(held.guard, self.drain, self.leases.mind):
            while held.guard.end is None and time.monotonic() < until:
                time.sleep(min(0.05, max(0.0, until - time.monotonic())))
        if held.guard.end is End.LEAVING:
            return self.leases.give_back(held, "this agent leaves")
        self.leases.succeed(held, {"echo": dict(held.spec)})

    def _extract_and_publish(self, held: Held) -> dict[str, Any]:
        """The packet of an earlier life of ours for this very job is published rather than made again."""
        path = self._packet(held)
        found = opened(path)
        if found is None:
            extract_to(path, _wanted(held), self.config, held.guard, self.drain, held.report, self.leases.mind)
            found = opened(path)
        assert found
        data, packet = found
        said = self._published(held, data, packet)
        return {
            "packet_id": said["packet_id"],
            "state": said["state"],
            "reference": packet.manifest.reference,
            "bytes": len(data),
            "concepts": len(packet.tensors["concepts/centroids"]),
            "coverage": dict(packet.manifest.coverage),
            "ledger": dict(packet.manifest.ledger),
        }

    def _published(self, held: Held, data: bytes, packet: Packet) -> Mapping[str, Any]:
        """Publish under the lease: the broker checks it in the transaction that takes the packet in."""
        lease = {"job": held.job, "fence": held.fence, "session": self.leases.session}
        try:
            return self.client.publish(data, lease=lease)
        except LeaseLost:
            raise
        except Conflict:
            there = self._of_an_earlier_attempt(packet)
            if there is None:
                raise
            return there

    def _of_an_earlier_attempt(self, packet: Packet) -> Mapping[str, Any] | None:
        """What holds the name and version already, if it says the same: then the job's effect is there."""
        try:
            named = self.client.versions(packet.manifest.name, yanked=True)
        except NotFound:
            return None
        for each in named:
            if each["version"] == packet.manifest.version:
                shown = self.client.show(str(each["packet_id"]))
                return shown if says_the_same(packet, shown["manifest"]) else None
        return None

    def _packet(self, held: Held) -> Path:
        return self.config.state / "packets" / f"job-{held.job}.m2kt"


def unsuitable(spec: Mapping[str, Any], config: Config) -> str | None:
    """Why this teacher cannot do a job; None when it can. A job never names a path of this host that we did not."""
    if spec.get("model") not in config.names:
        ours = ", ".join(sorted({config.model.resolve().name, *config.model_names}))
        return f"this teacher has the model {ours}, not {spec.get('model')!r}"
    domains = config.domains or tuple(registered())
    if spec.get("domain") not in domains:
        return f"this teacher has the domains {', '.join(domains) or 'none'}, not {spec.get('domain')!r}"
    return None


def _wanted(held: Held) -> Wanted:
    spec = held.spec
    return Wanted(
        domain=str(spec["domain"]),
        name=str(spec["name"]),
        version=str(spec["version"]),
        parents=tuple(map(str, spec.get("parents", ()))),
        licence=spec.get("licence"),
        settings=spec.get("settings", {}),
        limit_seconds=held.limit_seconds,
    )
