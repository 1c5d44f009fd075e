"""A teacher's own schedule: the model changed, so extract, and publish the next version with its parent.

For each name, with everything written down before it is done (`checkpoint`):

1. What is extracted already is published, whatever the model looks like by now.
2. Nothing more to do unless the model's directory has settled in a state that nobody has yet.
3. The next version and its parent are chosen from what the broker has, and kept.
4. Extract; a model that changed meanwhile makes the packet nobody's, and the version waits for the new state.
5. Publish, unless the newest version says the same already: then only the files changed, or we had forgotten.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from m2kt.agent.child import OnProgress
from m2kt.agent.directory import Watch
from m2kt.agent.drain import Drain
from m2kt.agent.guard import Guard
from m2kt.client import Client
from m2kt.errors import (
    ChildFailed,
    Conflict,
    DiskFull,
    ExtractionRefused,
    Forbidden,
    ModelError,
    NotFound,
    NotPullable,
    PacketError,
    PreconditionFailed,
    TooLarge,
    Unavailable,
)
from m2kt.packet import Packet
from m2kt.signing.keys import KeyId
from teacher_agent import versions
from teacher_agent.checkpoint import Checkpoints, Line, Pending, Published, Refused
from teacher_agent.config import Config
from teacher_agent.extraction import Wanted, extract_to, opened, says_the_same

WAITING = frozenset({"received", "scanning", "quarantined"})
"""States of a packet that may still be approved."""

FIRST_WAIT, LONGEST_WAIT = 5.0, 600.0
"""Seconds until a step that broke is tried again; doubled each time."""

Extract = Callable[[Path, Wanted, Config, Guard, Drain, OnProgress], None]
"""Puts a signed packet at a path, or nothing."""

log = logging.getLogger(__name__)


@dataclass
class Schedule:
    """Follows one model. `step` does what is due and says whether there was anything."""

    config: Config
    client: Client
    key: KeyId
    drain: Drain
    on_progress: OnProgress = lambda _: None
    extract: Extract = extract_to
    clock: Callable[[], float] = time.monotonic
    _waits: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Name -> when it may be tried again, and how long it waited last."""

    def __post_init__(self) -> None:
        self._watch = Watch(self.config.model, self.config.settle_seconds, self.clock)
        self._kept = Checkpoints(self.config.state)

    def step(self) -> bool:
        """One look at the model and, for each name that is due, one attempt. Raises what no waiting will mend."""
        source = self._source()
        due = [each for each in self.config.publish.items() if self.clock() >= self._waits.get(each[1], (0, 0))[0]]
        return any([self._outlived(domain, name, source) for domain, name in due])

    def _source(self) -> str | None:
        try:
            return self._watch.settled()
        except ModelError as error:  # somebody may be putting another one there
            log.warning("%s", error.detail)
            return None

    def _outlived(self, domain: str, name: str, source: str | None) -> bool:
        try:
            found = self._follow(domain, name, source)
        except (Unavailable, ChildFailed, DiskFull) as error:
            wait = min(LONGEST_WAIT, 2 * self._waits.get(name, (0.0, FIRST_WAIT / 2))[1])
            self._waits[name] = self.clock() + wait, wait
            log.warning("%s: %s (%s); trying again in %.0f s", name, error.detail, error.code, wait)
            return False
        self._waits.pop(name, None)
        return found

    def _follow(self, domain: str, name: str, source: str | None) -> bool:
        # 1.
        line = self._kept.read(name)
        if line.pending and self._or_refused(name, line, lambda: self._publish(name, line)):
            return True
        if self.config.channel and line.published and not line.published.led:
            self._lead(name, self.config.channel, line, line.published)
        # 2.
        if source is None or line.settled_source == source:
            return False
        # 3.
        planned = self._plan(name, line, source)
        # 4. and 5.
        return self._or_refused(name, planned, lambda: self._extract(domain, name, planned))

    def _lead(self, name: str, channel: str, line: Line, done: Published) -> None:
        """Lead the channel to what we published last, as soon as it is approved; somebody else's move comes first."""
        state = self.client.show(done.packet_id)["state"]
        if state in WAITING:
            return
        if state == "approved":
            etag = self.client.channel_etag(name, channel)
            try:
                self.client.move_channel(name, channel, packet_id=done.packet_id, etag=etag)
            except PreconditionFailed as error:
                return log.warning("%s: %s", name, error.detail)
            except (Forbidden, NotPullable) as error:  # it is not ours to lead, or the packet was taken back just now
                log.error("%s: the channel %s stays where it is: %s (%s)", name, channel, error.detail, error.code)
            else:
                log.info("%s: the channel %s leads to %s", name, channel, done.version)
        self._kept.write(name, replace(line, published=replace(done, led=True)))

    def _or_refused(self, name: str, line: Line, act: Callable[[], bool]) -> bool:
        """``act``; what it says no to is written down, so that it is not asked again."""
        assert line.pending
        try:
            return act()
        except (ExtractionRefused, ModelError, PacketError, TooLarge) as error:
            log.error("%s: this model gives no packet: %s (%s)", name, error.detail, error.code)
            self._drop_packet(name, line)
            refused = Refused(line.pending.source, error.code, error.detail)
            self._kept.write(name, replace(line, pending=None, refused=refused))
            return True

    def _plan(self, name: str, line: Line, source: str) -> Line:
        """With a version that nobody has, and the parent; one that was chosen before stays."""
        if line.pending is None or line.pending.source != source:
            there = self._published(name)
            known = line.published.packet_id if line.published else None
            parent = versions.parent(there, self.key, known)
            version = versions.after([str(each["version"]) for each in there], self.config.bump)
            pending = Pending(source, version, (str(parent["packet_id"]),) if parent else ())
            line = replace(line, pending=pending, refused=None)
            self._drop_packet(name, line)  # one of the same version, that a kill left when it was given up
            self._kept.write(name, line)
        return line

    def _published(self, name: str) -> Sequence[dict[str, Any]]:
        try:
            return self.client.versions(name, yanked=True)
        except NotFound:
            return ()

    def _extract(self, domain: str, name: str, line: Line) -> bool:
        assert line.pending
        wanted = Wanted(domain, name, line.pending.version, line.pending.parents)
        log.info("%s: extracting version %s", name, wanted.version)
        path = self._kept.packet(name, wanted.version)
        self.extract(path, wanted, self.config, Guard(0.0), self.drain, self.on_progress)
        if self._source() != line.pending.source:
            log.info("%s: the model changed while it was read; waiting until it has settled", name)
            self._give_up(name, line)
            return True
        return self._publish(name, line)

    def _publish(self, name: str, line: Line) -> bool:
        """Publish the pending packet, if it is there. Whoever did this before a kill did it with these very bytes."""
        assert line.pending
        found = opened(self._kept.packet(name, line.pending.version))
        if found is None:
            return False
        data, packet = found
        twin = self._twin(name, line, packet)
        packet_id = twin or self._sent(name, line, data, packet)
        if packet_id:
            version = str(self.client.show(packet_id)["version"]) if twin else line.pending.version
            done = Published(line.pending.source, version, packet_id)
            self._kept.write(name, Line(published=done))
            self._drop_packet(name, line)
        return True

    def _twin(self, name: str, line: Line, packet: Packet) -> str | None:
        """The newest of our versions, if it is another packet that says the same."""
        parent = versions.parent(self._published(name), self.key, line.published.packet_id if line.published else None)
        if parent is None or parent["packet_id"] == packet.packet_id:
            return None
        shown = self.client.show(str(parent["packet_id"]))
        if not says_the_same(packet, shown["manifest"]):
            return None
        log.info("%s: version %s says the same; nothing to publish", name, shown["version"])
        return str(shown["packet_id"])

    def _sent(self, name: str, line: Line, data: bytes, packet: Packet) -> str | None:
        try:
            found = self.client.publish(data)
        except Conflict as error:
            if error.code != Conflict.code or not self._taken(name, packet):
                raise
            log.warning("%s: %s; taking the next version", name, error.detail)
            self._give_up(name, line)
            return None
        log.info("%s: published %s as %s", name, packet.manifest.version, packet.packet_id)
        return str(found["packet_id"])

    def _taken(self, name: str, packet: Packet) -> bool:
        there = self._published(name)
        return any(
            each["version"] == packet.manifest.version and each["packet_id"] != packet.packet_id for each in there
        )

    def _give_up(self, name: str, line: Line) -> None:
        self._drop_packet(name, line)
        self._kept.write(name, replace(line, pending=None))

    def _drop_packet(self, name: str, line: Line) -> None:
        assert line.pending
        self._kept.packet(name, line.pending.version).unlink(missing_ok=True)
