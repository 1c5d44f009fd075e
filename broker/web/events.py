"""A job's steps as server-sent events: looked for now and then, with a connection for a moment only."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass

from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from broker.db import transaction
from broker.models import LIVE, JobState
from broker.schemas.jobs import EventOut, JobOut
from broker.services import jobs, trail
from broker.web.context import Context
from m2kt.errors import M2KTError, Unavailable

LOOK_SECONDS = 0.5
QUIET_LOOKS = 30
"""After so many looks without news a comment shows proxies and clients that the stream lives."""

MAX_STREAMS = 200
ENDED = frozenset(JobState) - frozenset(LIVE)


def of_job(request: Request, context: Context, job_id: uuid.UUID, last: int) -> Response:
    """The job's steps behind event ``last``, its progress between them, ``end`` with the job at last; now and then the
    reader has to come again, and to say anew who it is (`broker.web.closing.STREAM_SECONDS`)."""
    with transaction(context.sessions) as session:
        jobs.get(session, job_id)
    if context.closing.streams >= MAX_STREAMS:
        raise Unavailable(f"this broker holds {MAX_STREAMS} streams already")
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_stream(request, context, job_id, last), 200, headers, "text/event-stream")


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
