"""The change feed: as JSON, with a long poll for those who wait, or as server-sent events."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from broker.db import transaction
from broker.schemas.feed import FeedEventOut, FeedOut, Number
from broker.schemas.types import PacketName, PageSize
from broker.services import feed
from broker.services.scopes import Scope
from broker.web.deps import Context, ContextDep, PublicScopeDep
from broker.web.problems import documented
from m2kt.errors import M2KTError, Unavailable

router = APIRouter(prefix="/v1", tags=["feed"])

LOOK_SECONDS = 0.25
QUIET_LOOKS = 60
"""After so many looks without news a comment shows proxies and clients that the stream lives."""

MAX_READERS = 200
EVENT_STREAM = "text/event-stream"
_STREAM: dict[str, Any] = {EVENT_STREAM: {"schema": {"type": "string"}}}


@dataclass(frozen=True)
class _Wanted:
    """What a reader may see and wants to."""

    scope: Scope
    name: str | None
    limit: int


@router.get(
    "/feed",
    response_model=FeedOut,
    responses={200: {"content": _STREAM, "description": "events, oldest first"}, **documented(410)},
)
async def read(
    request: Request,
    context: ContextDep,
    scope: PublicScopeDep,
    after: Annotated[Number | None, Query(description="a number of this feed; without it, its present end")] = None,
    wait: Annotated[float, Query(ge=0, le=30, allow_inf_nan=False, description="seconds, until there is news")] = 0,
    limit: PageSize = feed.PAGE,
    name: Annotated[PacketName | None, Query(description="only what happens to packets of this name")] = None,
    last_event_id: Annotated[Number | None, Header(alias="Last-Event-ID")] = None,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
) -> Response:
    """What happened, behind the event with the number ``after`` (or `Last-Event-ID`), in an order without gaps.

    With `Accept: text/event-stream` the answer goes on until somebody leaves. 410 when what followed is forgotten, or
    when the number is not one of this feed: look at what there is, then go on from the present end.
    """
    begin, wanted = after if last_event_id is None else last_event_id, _Wanted(scope, name, limit)
    if EVENT_STREAM in accept:
        found = await run_in_threadpool(_look, context, begin, wanted)  # its refusal can still be a problem
        _require_room(context)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(_stream(request, context, found, wanted), 200, headers, EVENT_STREAM)
    found = await _waited(request, context, begin, wanted, wait)
    return Response(found.model_dump_json(), 200, {"Cache-Control": "no-store"}, "application/json")


async def _waited(request: Request, context: Context, after: int | None, wanted: _Wanted, wait: float) -> FeedOut:
    """The first look that found something, or the last one in time. No connection is held in between."""
    end = time.monotonic() + wait
    found = await run_in_threadpool(_look, context, after, wanted)
    if found.items or not wait:
        return found
    _require_room(context)
    with context.closing.stream():
        while not found.items and time.monotonic() < end:
            if context.closing.begun or await request.is_disconnected():
                break
            await asyncio.sleep(min(LOOK_SECONDS, max(0.0, end - time.monotonic())))
            found = await run_in_threadpool(_look, context, found.next, wanted)
    return found


def _require_room(context: Context) -> None:
    if context.closing.streams >= MAX_READERS:
        raise Unavailable(f"this broker holds {MAX_READERS} streams already")


def _look(context: Context, after: int | None, wanted: _Wanted) -> FeedOut:
    """Committed before anybody is told: a number that is shown stays."""
    with transaction(context.sessions) as session:
        feed.number(session)
    with transaction(context.sessions) as session:
        found = feed.read(session, after, wanted.scope, name=wanted.name, limit=wanted.limit)
        return FeedOut(items=[FeedEventOut.of(each) for each in found.events], next=found.next)


async def _stream(request: Request, context: Context, found: FeedOut, wanted: _Wanted) -> AsyncIterator[str]:
    quiet = 0
    with context.closing.stream() as stream:
        begin = found.items[0].id - 1 if found.items else found.next
        yield f"retry: 1000\nid: {begin}\n\n"  # an id alone is remembered, too: HTML standard, 9.2.6
        while True:
            for each in found.items:
                yield f"id: {each.id}\nevent: {each.kind}\ndata: {each.model_dump_json()}\n\n"
            quiet = 0 if found.items else quiet + 1
            if quiet and quiet % QUIET_LOOKS == 0:
                yield f"id: {found.next}\n: nothing new\n\n"
            if stream.over or await request.is_disconnected():
                return
            if not found.items:
                await asyncio.sleep(LOOK_SECONDS)
            try:
                found = await run_in_threadpool(_look, context, found.next, wanted)
            except M2KTError:
                return  # the database is away, or a slow reader was overtaken: whoever comes back is told which
