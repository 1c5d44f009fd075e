"""Bodies have a limit, enforced before anything else reads them."""

from fastapi import HTTPException, status
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from broker.schemas.problem import Problem
from broker.web.problems import problem_response
from m2kt.errors import TooLarge

PACKETS = "/v1/packets"
EXCHANGES = "/v1/exchanges/"
"""Peers post confidences and packets below it."""
JSON_BYTES = 1024 * 1024


class BodyLimit:
    """Refuses a declared length over the limit before a byte is read, and cuts a body that grows past it."""

    def __init__(self, app: ASGIApp, packet_bytes: int) -> None:
        self._app = app
        self._packet_bytes = packet_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        limit = self._limit(scope["path"])
        if _declared(scope) > limit:
            return await _refusal(limit)(scope, receive, send)
        await self._app(scope, _counted(receive, limit), send)

    def _limit(self, path: str) -> int:
        if path == PACKETS:
            return self._packet_bytes
        return max(self._packet_bytes, JSON_BYTES) if path.startswith(EXCHANGES) else JSON_BYTES


def _declared(scope: Scope) -> int:
    """Content-Length; the server has refused one that is no number, and one beside Transfer-Encoding."""
    values = [value for name, value in scope["headers"] if name == b"content-length"]
    return max((int(each) for each in values if each.isdigit()), default=0)


def _counted(receive: Receive, limit: int) -> Receive:
    received = 0

    async def counted() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            # FastAPI turns any other exception from here into a 400.
            raise HTTPException(status.HTTP_413_CONTENT_TOO_LARGE, _detail(limit), {"Connection": "close"})
        return message

    return counted


def _detail(limit: int) -> str:
    return f"the body is longer than {limit} bytes"


def _refusal(limit: int) -> Response:
    response = problem_response(Problem.of(TooLarge(_detail(limit))))
    response.headers["Connection"] = "close"  # the body stays unread
    return response
