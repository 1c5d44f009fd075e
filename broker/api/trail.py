"""What happened to a job: its log, and its events as they come (server-sent events)."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response, status
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from broker.api.ranges import parse_range
from broker.db import transaction
from broker.models import JobState, Role
from broker.schemas.jobs import EventOut, JobOut
from broker.schemas.types import MAX_INT
from broker.services import jobs, orders, trail
from broker.services.agents import Principal
from broker.web.deps import Context, ContextDep, PublicScopeDep, SessionDep, allow
from broker.web.problems import documented
from m2kt.errors import Forbidden, M2KTError, Unavailable

router = APIRouter(prefix="/v1", tags=["jobs"])

ReaderDep = Annotated[Principal, Depends(allow(*sorted(orders.ORDERING), Role.AUDITOR))]

LOOK_SECONDS = 0.5
QUIET_LOOKS = 30
"""After so many looks without news a comment shows proxies and clients that the stream lives."""

MAX_STREAMS = 200
ENDED = frozenset(JobState) - {JobState.QUEUED, JobState.RUNNING}
_TEXT: dict[str, Any] = {"text/plain": {"schema": {"type": "string"}}}
_STREAM: dict[str, Any] = {"text/event-stream": {"schema": {"type": "string"}}}


@router.get(
    "/jobs/{job_id}/logs",
    response_class=Response,
    responses={
        200: {"content": _TEXT, "description": "the end of the log"},
        206: {"content": _TEXT, "description": "a part of it"},
        **documented(401, 403, 404, 416),
    },
)
def logs(
    job_id: uuid.UUID,
    caller: ReaderDep,
    session: SessionDep,
    attempt: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
    tail: Annotated[int | None, Query(ge=1, le=trail.MAX_LOG_BYTES)] = None,
    range_: Annotated[str | None, Header(alias="Range")] = None,
) -> Response:
    """The log of an attempt, the last by default: its end, up to 256 KiB. For its submitter, workers and overseers."""
    job = jobs.get(session, job_id)
    if job.submitter != caller.name and caller.role not in (Role.ADMIN, Role.AUDITOR, Role.WORKER):
        raise Forbidden("a job's log is for its submitter, workers, auditors and administrators")
    found = trail.log(session, job_id, attempt)
    headers = {"Accept-Ranges": "bytes", "Cache-Control": "no-store", "M2KT-Attempt": str(found.attempt)}
    media = "text/plain; charset=utf-8"
    if tail is not None:
        return Response(found.content[-tail:], headers=headers, media_type=media)
    part = parse_range(range_, len(found.content))
    if part is None:
        return Response(found.content, headers=headers, media_type=media)
    start, stop = part
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(found.content)}"
    return Response(found.content[start:stop], status.HTTP_206_PARTIAL_CONTENT, headers, media)


@router.get(
    "/jobs/{job_id}/events",
    response_class=StreamingResponse,
    responses={200: {"content": _STREAM, "description": "events until the job has ended"}, **documented(404)},
)
def events(
    job_id: uuid.UUID,
    request: Request,
    context: ContextDep,
    _: PublicScopeDep,
    last_event_id: Annotated[int, Header(alias="Last-Event-ID", ge=0, le=MAX_INT)] = 0,
) -> Response:
    """The job's steps from the one behind `Last-Event-ID` on, its progress between them, `end` with the job at last.

    The stream also ends when the broker does: come back with the last id.
    """
    with transaction(context.sessions) as session:
        jobs.get(session, job_id)
    if context.closing.streams >= MAX_STREAMS:
        raise Unavailable(f"this broker holds {MAX_STREAMS} streams already")
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_stream(request, context, job_id, last_event_id), 200, headers, "text/event-stream")


@dataclass(frozen=True)
class _Look:
    lines: list[str]
    last: int
    progress: str
    ended: bool


async def _stream(request: Request, context: Context, job_id: uuid.UUID, last: int) -> AsyncIterator[str]:
    """Looks now and then, each time with a connection of the pool for a moment only."""
    progress, quiet = "", 0
    with context.closing.stream() as stream:
        yield "retry: 1000\n\n"
        while not (stream.over or await request.is_disconnected()):
            try:
                look = await run_in_threadpool(_look, context, job_id, last, progress)
            except M2KTError:
                return  # the database is away, or the job was forgotten: whoever comes back is told which
            for each in look.lines:
                yield each
            last, progress, quiet = look.last, look.progress, 0 if look.lines else quiet + 1
            if look.ended:
                return
            if quiet and quiet % QUIET_LOOKS == 0:
                yield ": nothing new\n\n"
            await asyncio.sleep(LOOK_SECONDS)


def _look(context: Context, job_id: uuid.UUID, last: int, progress: str) -> _Look:
    with transaction(context.sessions) as session:
        job = jobs.get(session, job_id)  # before its events: an end that is seen has all of them
        shown = JobOut.of(job)
        found = trail.events(session, job_id, after=last)
        lines = [_event(each.what, EventOut.of(each).model_dump_json(), each.id) for each in found]
        last = found[-1].id if found else last
    now = "" if shown.progress is None else shown.model_dump_json(include={"progress", "attempt"})
    if now and now != progress:
        lines.append(_event("progress", now))
    ended = shown.state in ENDED and len(found) < trail.PAGE
    if ended:
        lines.append(_event("end", shown.model_dump_json()))
    return _Look(lines, last, now, ended)


def _event(name: str, data: str, number: int | None = None) -> str:
    """One event (HTML standard, 9.2); JSON has no line breaks."""
    head = f"id: {number}\n" if number is not None else ""
    return f"{head}event: {name}\ndata: {data}\n\n"
