"""What becomes of packets: versions, channels, lineage, outcomes, recalls, the change feed. Part of
`m2kt.client.Client`; nothing here is verified except where it says so."""

import time
from collections.abc import Iterator, Sequence
from urllib.parse import quote

from m2kt.client.paging import Calls
from m2kt.client.transport import Json, json_of
from m2kt.errors import Unavailable, UsageError

RECALLED = frozenset({"revoked", "rejected", "quarantined"})
"""States in which no student should go on using a packet that it has."""

FEED_WAIT_SECONDS = 25.0
RETRY_SECONDS = 1.0


class LifecycleCalls(Calls):
    """The calls about versions and what follows from them."""

    # Versions

    def version(self, name: str, version: str) -> Json:
        """The packet with exactly this version, in whatever state."""
        return self._transport.get(f"/v1/names/{quote(name)}/versions/{quote(version)}")

    def latest(self, name: str, *, pre: bool = False) -> Json:
        """The highest approved version; ``pre`` counts pre-releases, too."""
        params = {"pre": "true"} if pre else {}
        return self._read(f"/v1/names/{quote(name)}/latest", params)

    def yank(self, packet_id: str, reason: str) -> Json:
        """Advise against a packet: exact pulls go on with a warning, nobody is led to it."""
        return self._transport.post(f"/v1/packets/{quote(packet_id)}/yank", {"reason": reason})

    def unyank(self, packet_id: str, reason: str) -> Json:
        """Take that advice back."""
        return self._transport.post(f"/v1/packets/{quote(packet_id)}/unyank", {"reason": reason})

    # Channels

    def channels(self, *, name: str | None = None, channel: str | None = None, limit: int = 50) -> Iterator[Json]:
        """Channels with their present heads; ``fault``: why not to follow one. `Client.channel` verifies."""
        return self._items("/v1/channels", {"name": name, "channel": channel, "limit": limit})

    def channel_heads(self) -> Iterator[Json]:
        """All heads that there ever were, oldest first; ``envelope`` is base64."""
        return self._items("/v1/channel-heads", {"limit": 200})

    def channel_etag(self, name: str, channel: str) -> str | None:
        """What to move a channel with; None for one that is not there."""
        found = next(self.channels(name=name, channel=channel, limit=1), None)
        return None if found is None else str(found["etag"])

    def move_channel(
        self, name: str, channel: str, *, version: str | None = None, packet_id: str | None = None, etag: str | None
    ) -> Json:
        """Lead a channel to a version, or to a packet. ``etag``: of the head that you saw; None makes the channel.
        `PreconditionFailed` when somebody was faster."""
        if (version is None) == (packet_id is None):
            raise UsageError("a channel is moved to a version or to a packet: give one of them")
        body = {"version": version} if packet_id is None else {"packet_id": packet_id}
        headers = {"If-None-Match": "*"} if etag is None else {"If-Match": etag}
        path = channel_path(name, channel)
        return json_of(self._transport.send("PUT", path, json=body, headers=headers, signed=True))

    # Lineage, outcomes, recalls

    def lineage(
        self, packet_id: str, direction: str = "ancestors", *, depth: int = 8, limit: int = 200
    ) -> Iterator[Json]:
        """``ancestors`` or ``descendants`` within ``depth`` steps, oldest first, each with its ``parents``."""
        params: dict[str, str | int | None] = {"direction": direction, "depth": depth, "limit": limit}
        return self._items(f"/v1/packets/{quote(packet_id)}/lineage", params)

    def parents(self, packet_id: str) -> Sequence[str]:
        """What the broker has as the parents of a packet; its signed manifest has the truth."""
        path, params = f"/v1/packets/{quote(packet_id)}/lineage", {"depth": 1, "limit": 1}
        found: Sequence[str] = self._read(path, params)["parents"]
        return found

    def outcomes(self, packet_id: str) -> Json:
        """What a packet did to its students, in sum."""
        return self._transport.get(f"/v1/packets/{quote(packet_id)}/outcomes")

    def teacher_outcomes(self, name: str) -> Json:
        """The same over all packets that an agent published."""
        return self._transport.get(f"/v1/teachers/{quote(name)}/outcomes")

    def recall_list(self, packet_id: str) -> Iterator[Json]:
        """Students that have a packet that was taken back, or one that was made of it."""
        return self._items(f"/v1/packets/{quote(packet_id)}/recall", {"limit": 200}, signed=True)

    def pulls(self, packet_id: str) -> Iterator[Json]:
        """Who had a packet's bytes, once for each day: ``agent``, ``day``, ``at``. For overseers."""
        return self._items(f"/v1/packets/{quote(packet_id)}/pulls", {"limit": 200}, signed=True)

    def recalls(self, agent: str | None = None) -> Iterator[Json]:
        """What this client's student (or ``agent``, for overseers) should put away."""
        return self._items("/v1/recalls", {"agent": agent, "limit": 200}, signed=True)

    # The change feed

    def feed(self, after: int | None = None, *, wait: float = 0.0, name: str | None = None, limit: int = 200) -> Json:
        """Events behind number ``after`` as ``{"items": [...], "next": ...}``: remember ``next``, nothing up to there
        is missing. Without ``after``: no events, and the present end. ``wait``: seconds, at most 30, for news.

        `FeedGone` when what followed is forgotten: look at what there is, then begin at the present end.
        """
        params = {"after": after, "wait": f"{wait:g}", "name": name, "limit": limit}
        return self._read("/v1/feed", params)

    def follow_feed(
        self, after: int | None = None, *, name: str | None = None, patience: float = 60.0
    ) -> Iterator[Json]:
        """Events as they come, for ever. `BrokerAway` when the broker is away for ``patience`` seconds, `FeedGone`."""
        heard = time.monotonic()
        while True:
            try:
                found = self.feed(after, wait=FEED_WAIT_SECONDS if after is not None else 0, name=name)
            except Unavailable:
                if time.monotonic() - heard > patience:
                    raise
                time.sleep(RETRY_SECONDS)
                continue
            after, heard = int(found["next"]), time.monotonic()
            yield from found["items"]


def channel_path(name: str, channel: str) -> str:
    return f"/v1/channels/{quote(name)}/{quote(channel)}"
