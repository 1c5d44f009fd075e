"""What may come in, and how fast: bodies have a limit and a clock, enforced before anything else reads them; answers
say what their caller has left."""

import asyncio
import time

from fastapi import HTTPException, status
from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from broker.schemas.problem import Problem
from broker.services.rates import WINDOW_SECONDS, Allowance
from broker.services.uploads import PART_BYTES
from broker.web.problems import problem_response
from m2kt.errors import TooLarge

PACKETS = "/v1/packets"
UPLOADS = "/v1/uploads/"
EXCHANGES = "/v1/exchanges/"
"""Peers post confidences and packets below it."""
JSON_BYTES = 1024 * 1024
SLOWEST_BYTES_PER_SECOND = 64 * 1024


class BodyLimit:
    """Refuses a declared length over the limit before a byte is read, and cuts a body that grows past it, falls silent
    for ``idle_seconds``, or trickles in so slowly that it only holds a place."""

    def __init__(self, app: ASGIApp, packet_bytes: int, idle_seconds: float) -> None:
        self._app = app
        self._packet_bytes = packet_bytes
        self._idle_seconds = idle_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        limit = self._limit(scope)
        if _declared(scope) > limit:
            return await _refusal(limit)(scope, receive, send)
        await self._app(scope, _Counted(receive, limit, self._idle_seconds), send)

    def _limit(self, scope: Scope) -> int:
        if scope["path"] == PACKETS:
            return self._packet_bytes
        if scope["path"].startswith(EXCHANGES):
            return max(self._packet_bytes, JSON_BYTES)
        return PART_BYTES if scope["method"] == "PATCH" and scope["path"].startswith(UPLOADS) else JSON_BYTES


def _declared(scope: Scope) -> int:
    """Content-Length; the server has refused one that is no number, and one beside Transfer-Encoding."""
    values = [value for name, value in scope["headers"] if name == b"content-length"]
    return max((int(each) for each in values if each.isdigit()), default=0)


class _Counted:
    """A request's messages: its body is counted and timed; what comes after it (a disconnect) may take its time."""

    def __init__(self, receive: Receive, limit: int, idle_seconds: float) -> None:
        self._receive, self._limit, self._idle = receive, limit, idle_seconds
        self._received, self._begun, self._ended = 0, time.monotonic(), False

    async def __call__(self) -> Message:
        if self._ended:
            return await self._receive()
        try:
            async with asyncio.timeout(self._patience()):  # `wait_for` makes a task of each piece
                message = await self._receive()
        except TimeoutError:
            raise _cut(status.HTTP_408_REQUEST_TIMEOUT, "the body came too slowly, or stopped") from None
        self._received += len(message.get("body", b""))
        if self._received > self._limit:
            raise _cut(status.HTTP_413_CONTENT_TOO_LARGE, _detail(self._limit))
        self._ended = not message.get("more_body", False)
        return message

    def _patience(self) -> float:
        """Seconds that the next piece may take: the whole has a slowest rate, so that bytes cannot buy time."""
        whole = self._begun + self._idle + self._received / SLOWEST_BYTES_PER_SECOND - time.monotonic()
        return max(0.001, min(self._idle, whole))


def _cut(code: int, detail: str) -> HTTPException:
    """FastAPI turns any other exception from here into a 400."""
    return HTTPException(code, detail, {"Connection": "close"})


def _detail(limit: int) -> str:
    return f"the body is longer than {limit} bytes"


def _refusal(limit: int) -> Response:
    response = problem_response(Problem.of(TooLarge(_detail(limit))))
    response.headers["Connection"] = "close"  # the body stays unread
    return response


class RateHeaders:
    """RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers) on every answer to a counted request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        scope.setdefault("state", {})

        async def told(message: Message) -> None:
            allowance: Allowance | None = scope["state"].get("allowance")
            if allowance is not None and message["type"] == "http.response.start":
                _tell(MutableHeaders(scope=message), allowance)
            await send(message)

        await self._app(scope, receive, told)


def _tell(headers: MutableHeaders, allowance: Allowance) -> None:
    headers["RateLimit-Policy"] = f'"requests";q={allowance.limit};w={WINDOW_SECONDS}'
    headers["RateLimit"] = f'"requests";r={allowance.remaining};t={allowance.reset}'
    if allowance.retry_after:
        headers["Retry-After"] = str(allowance.retry_after)
