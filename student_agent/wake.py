"""When to look at the channels again: after a while, or at once when the broker announces a change."""

import logging
import time

from m2kt.agent.drain import Drain
from m2kt.client import Client
from m2kt.errors import FeedGone, M2KTError, Unavailable

LONGEST_WAIT = 5.0
"""Seconds for one question: a drain is noticed between two."""

log = logging.getLogger(__name__)


class Wake:
    """Rests on the broker's change feed. Nothing is believed of it: it only says when to look."""

    def __init__(self, client: Client, drain: Drain, seconds: float) -> None:
        self._client, self._drain, self._seconds = client, drain, seconds
        self._after: int | None = None

    def mark(self) -> None:
        """Where the feed ends before a look: what comes later wakes the next `rest`."""
        if self._after is None:
            self._after = self._end()

    def rest(self) -> None:
        """Until there is news, the time is over, or somebody asks us to leave."""
        until = time.monotonic() + self._seconds
        while not self._drain.asked and (left := until - time.monotonic()) > 0:
            if self._after is None:
                self._drain.rest(left)
                return
            if self._news(min(left, LONGEST_WAIT)):
                return

    def _news(self, wait: float) -> bool:
        asked = time.monotonic()
        try:
            found = self._client.feed(self._after, wait=wait)
        except FeedGone:
            self._after = None
            return True
        except M2KTError as error:
            log.warning("no news: %s", error.detail)
            self._drain.rest(wait)
            return False
        self._after = int(found["next"])
        if not found["items"] and time.monotonic() - asked < wait / 2:  # a broker that does not wait
            self._drain.rest(wait - (time.monotonic() - asked))
        return bool(found["items"])

    def _end(self) -> int | None:
        try:
            return int(self._client.feed()["next"])
        except Unavailable:
            return None
