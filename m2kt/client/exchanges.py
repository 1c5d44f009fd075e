"""Exchanges: open and follow them, and what a peer does in a round. Part of `m2kt.client.Client`."""

import base64
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from m2kt.client.paging import Calls
from m2kt.client.transport import Json, json_of
from m2kt.errors import BrokerAway, Unavailable
from m2kt.exchange import RoundPlan
from m2kt.packet import canonical
from m2kt.signing.dsse import Envelope

ENDED = frozenset({"finished", "failed"})
WAIT_SECONDS = 20.0
_PACKET = "application/vnd.m2kt.packet"
_ENVELOPE = "application/vnd.dsse.envelope.v1+json"

ExchangeId = str | uuid.UUID


@dataclass(frozen=True, eq=False)
class Masked:
    """What the broker says of a round's masks: rows are ``peers``. ``confidences`` (K, P), ``teachers`` (P,)."""

    peers: tuple[str, ...]
    confidences: NDArray[np.float32]
    teachers: NDArray[np.uint8]


class ExchangeCalls(Calls):
    """The calls about exchanges."""

    def open_exchange(self, task: Mapping[str, Any], plan: RoundPlan, **terms: Any) -> Json:
        """Open an exchange. ``task`` is a description (`m2kt.exchange.packets.description`); ``terms``: ``invited``,
        ``least``, ``most``, ``join_seconds``, ``phase_seconds``; ``project``, for those who have every one."""
        said = canonical.loads(plan.to_bytes(), max_bytes=len(plan.to_bytes()))
        return self._transport.post("/v1/exchanges", {"task": dict(task), "plan": said, **terms})

    def exchange(self, exchange_id: ExchangeId, *, after: int | None = None, wait: float = 0.0) -> Json:
        """An exchange and its present round. With ``after``, the step that is known: waits up to ``wait`` seconds (at
        most 30) for another one."""
        params = {} if after is None else {"after": str(after), "wait": f"{wait:g}"}
        signed = self._transport.has_key
        return json_of(self._transport.send("GET", f"/v1/exchanges/{exchange_id}", params=params, signed=signed))

    def exchanges(self, *, state: str | None = None, limit: int = 50) -> Iterator[Json]:
        """Exchanges, newest first."""
        return self._items("/v1/exchanges", {"state": state, "limit": limit})

    def exchange_round(self, exchange_id: ExchangeId, number: int) -> Json:
        """Who did what in a round, who is out and why, and complaints."""
        return self._transport.get(f"/v1/exchanges/{exchange_id}/rounds/{number}")

    def exchange_masks(self, exchange_id: ExchangeId, number: int) -> Masked:
        """Everybody's confidences and the broker's masks; for peers. Compute the masks again before using them."""
        path = f"/v1/exchanges/{exchange_id}/rounds/{number}/masks"
        found = json_of(self._transport.send("GET", path, signed=True))
        try:
            peers = tuple(map(str, found["peers"]))
            rows = [np.frombuffer(base64.b64decode(found["confidences"][each]), "<f4") for each in peers]
            teachers = np.frombuffer(base64.b64decode(found["teachers"]), np.uint8)
            return Masked(peers, np.stack(rows), teachers)
        except (KeyError, TypeError, ValueError) as error:
            raise BrokerAway("the masks are not as a broker writes them") from error

    def join_exchange(self, exchange_id: ExchangeId, task: Mapping[str, Any]) -> Json:
        """Take part, or come back after having been away."""
        return self._transport.post(f"/v1/exchanges/{exchange_id}/join", {"task": dict(task)})

    def leave_exchange(self, exchange_id: ExchangeId, reason: str) -> Json:
        return self._transport.post(f"/v1/exchanges/{exchange_id}/leave", {"reason": reason})

    def cancel_exchange(self, exchange_id: ExchangeId) -> Json:
        return self._transport.post(f"/v1/exchanges/{exchange_id}/cancel")

    def post_confidences(
        self, exchange_id: ExchangeId, number: int, values: NDArray[np.float32], *, task: str, samples: str
    ) -> Json:
        """Post a round's confidences, one for each place; ``task`` and ``samples`` are digests of what is held now."""
        text = base64.b64encode(np.ascontiguousarray(values, "<f4").tobytes()).decode()
        body = {"task": task, "samples": samples, "values": text}
        return self._transport.post(f"/v1/exchanges/{exchange_id}/rounds/{number}/confidences", body)

    def publish_predictions(self, exchange_id: ExchangeId, number: int, data: bytes) -> Json:
        """Publish a signed packet of kind `exchange` into a round."""
        path, headers = f"/v1/exchanges/{exchange_id}/rounds/{number}/packets", {"Content-Type": _PACKET}
        return json_of(self._transport.send("POST", path, content=data, headers=headers, signed=True))

    def report_round(
        self, exchange_id: ExchangeId, number: int, *, task: float, exchange: float, left_out: Sequence[str] = ()
    ) -> Json:
        """Say that this peer has learned, with its mean losses."""
        body = {"task": task, "exchange": exchange, "left_out": list(left_out)}
        return self._transport.post(f"/v1/exchanges/{exchange_id}/rounds/{number}/reports", body)

    def complain(self, exchange_id: ExchangeId, number: int, accused: str, envelope: Envelope) -> Json:
        """Hand in a signed complaint (`m2kt.exchange.complaints`) about a peer's packet."""
        path = f"/v1/exchanges/{exchange_id}/rounds/{number}/complaints/{quote(accused)}"
        headers = {"Content-Type": _ENVELOPE}
        return json_of(self._transport.send("POST", path, content=envelope.to_bytes(), headers=headers, signed=True))

    def wait_for_exchange(self, exchange_id: ExchangeId, timeout: float = 60.0) -> Json:
        """The exchange, as soon as it has ended; `Unavailable` after ``timeout`` seconds."""
        end = time.monotonic() + timeout
        found = self.exchange(exchange_id)
        while found["state"] not in ENDED:
            left = end - time.monotonic()
            if left <= 0:
                raise Unavailable(f"exchange {exchange_id} is {found['state']} after {timeout:g} s")
            found = self.exchange(exchange_id, after=found["step"], wait=min(left, WAIT_SECONDS))
        return found
