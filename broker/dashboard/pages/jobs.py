"""Jobs: what they did and do, their logs; cancel and retry."""

import uuid
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Header, Query, Request, Response
from sqlalchemy.orm import Session

from broker.dashboard.render import fragment, page
from broker.dashboard.route import router as pages
from broker.dashboard.route import see_other
from broker.models import LIVE, JobKind, JobState
from broker.schemas.types import MAX_INT, Cursor, FilterText
from broker.services import jobs, timeline, trail
from broker.services.accounts import Person
from broker.web import events
from broker.web.deps import ContextDep, SessionDep
from broker.web.people import AuditorDep, OperatorDep, ViewerDep
from m2kt.errors import NotFound

router = pages()

PAGE = 50

SHOWN_BYTES = 64 * 1024
"""Of a log, on a page; the whole of what the broker keeps is a download away."""


@router.get("/jobs")
def index(
    person: ViewerDep, session: SessionDep, state: FilterText = "", kind: FilterText = "", cursor: Cursor | None = None
) -> Response:
    wanted = JobState(state) if state in set(JobState) else None
    rows = jobs.page(session, person.scope, before=cursor, limit=PAGE + 1, state=wanted, kind=kind or None)
    told = {"state": state, "kind": kind, "cursor": rows[PAGE - 1].seq} if len(rows) > PAGE else {}
    following = f"/jobs?{urlencode(told)}" if told else None
    asked = {"state": state, "kind": kind}
    choices: dict[str, Any] = {"states": list(JobState), "kinds": list(JobKind)}
    return page(person, "jobs.html", "jobs", jobs=rows[:PAGE], next=following, asked=asked, **choices)


@router.get("/jobs/{job_id}")
def job(job_id: uuid.UUID, person: ViewerDep, session: SessionDep) -> Response:
    return page(person, "job.html", "jobs", **_seen(session, job_id, person))


@router.get("/jobs/{job_id}/now")
def now(job_id: uuid.UUID, person: ViewerDep, session: SessionDep) -> Response:
    """The part of the page that changes."""
    return fragment("job_now.html", person=person, **_seen(session, job_id, person))


@router.get("/jobs/{job_id}/live")
def live(
    job_id: uuid.UUID,
    request: Request,
    _: ViewerDep,
    context: ContextDep,
    last_event_id: Annotated[int, Header(alias="Last-Event-ID", ge=0, le=MAX_INT)] = 0,
) -> Response:
    """Says when there is something new (server-sent events); the page then asks for `now`."""
    return events.of_job(request, context, job_id, last_event_id)


@router.get("/jobs/{job_id}/log")
def log(
    job_id: uuid.UUID,
    person: AuditorDep,
    session: SessionDep,
    attempt: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
) -> Response:
    """The end of an attempt's log, with what it steers escaped."""
    found = trail.log(session, job_id, attempt)
    text = found.content[-SHOWN_BYTES:].decode("utf-8", "backslashreplace")
    told: dict[str, Any] = {"job": jobs.get(session, job_id), "text": text, "cut": len(found.content) > SHOWN_BYTES}
    return page(person, "job_log.html", "jobs", log=found, **told)


@router.post("/jobs/{job_id}/cancel")
def cancel(job_id: uuid.UUID, person: OperatorDep, session: SessionDep) -> Response:
    jobs.cancel(session, job_id, by=person.signed, admin=True)
    return see_other(f"/jobs/{job_id}")


@router.post("/jobs/{job_id}/retry")
def retry(job_id: uuid.UUID, person: OperatorDep, session: SessionDep) -> Response:
    jobs.again(session, job_id, by=person.signed, admin=True)
    return see_other(f"/jobs/{job_id}")


def _seen(session: Session, job_id: uuid.UUID, person: Person) -> dict[str, Any]:
    found = jobs.get(session, job_id)
    rows = trail.events(session, job_id, after=0)
    return {
        "job": found,
        "events": rows,
        "attempts": timeline.attempts(rows, datetime.now(UTC)),
        "has_log": person.may("auditor") and _has_log(session, job_id),
        "live": found.state in LIVE,
        "again": found.state in (JobState.FAILED, JobState.CANCELLED, JobState.DEAD),
        "scan": found.kind == JobKind.SCAN,
    }


def _has_log(session: Session, job_id: uuid.UUID) -> bool:
    try:
        trail.log(session, job_id, None)
    except NotFound:
        return False
    return True
