"""What happened to a job: its log, and its events as they come (server-sent events)."""

import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response, status
from fastapi.responses import StreamingResponse

from broker.api.ranges import parse_range
from broker.models import Role
from broker.schemas.types import MAX_INT
from broker.services import jobs, orders, trail
from broker.services.agents import Principal
from broker.web import events as job_events
from broker.web.deps import ContextDep, PublicScopeDep, SessionDep, allow
from broker.web.problems import documented
from m2kt.errors import Forbidden

router = APIRouter(prefix="/v1", tags=["jobs"])

ReaderDep = Annotated[Principal, Depends(allow(*sorted(orders.ORDERING), Role.AUDITOR))]

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
    return job_events.of_job(request, context, job_id, last_event_id)
