"""Jobs: ordered, listed, cancelled and retried. Their events and logs are in `broker.api.trail`."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Response, status

from broker.models import JobState, Role
from broker.schemas.jobs import JobIn, JobOut, JobPage, KindName
from broker.services import jobs, orders
from broker.services.agents import Principal
from broker.web.deps import PublicScopeDep, SessionDep, allow
from broker.web.paging import PagingDep, cut
from broker.web.problems import documented

router = APIRouter(prefix="/v1", tags=["jobs"])

OrdererDep = Annotated[Principal, Depends(allow(*orders.ORDERING))]

IdempotencyKey = Annotated[
    str | None, Header(alias="Idempotency-Key", pattern=r"^[\x21-\x7e]{1,128}$", description="One order, however often")
]


@router.post(
    "/jobs",
    status_code=status.HTTP_201_CREATED,
    responses={200: {"model": JobOut, "description": "it was ordered before"}, **documented(401, 403, 404, 409, 410)},
)
def submit(
    body: JobIn, caller: OrdererDep, session: SessionDep, response: Response, idempotency_key: IdempotencyKey = None
) -> JobOut:
    """Order a job; docs/jobs.md has the fields of each kind. A key that was used for another order is a conflict."""
    placed = orders.place(session, body.kind, body.spec, by=caller, terms=body.terms(idempotency_key))
    response.headers["Location"] = f"/v1/jobs/{placed.job.id}"
    if not placed.fresh:
        response.status_code = status.HTTP_200_OK
    return JobOut.of(placed.job)


@router.get("/jobs", responses=documented())
def list_jobs(
    scope: PublicScopeDep,
    session: SessionDep,
    paging: PagingDep,
    response: Response,
    state: JobState | None = None,
    kind: Annotated[KindName | None, Query()] = None,
) -> JobPage:
    """Jobs, newest first."""
    rows = jobs.page(session, scope, before=paging.cursor, limit=paging.one_more, state=state, kind=kind)
    return JobPage(items=[JobOut.of(each) for each in cut(rows, paging, lambda row: row.seq, response)])


@router.get("/jobs/{job_id}", responses=documented(404))
def show(job_id: uuid.UUID, _: PublicScopeDep, session: SessionDep) -> JobOut:
    """One job."""
    return JobOut.of(jobs.get(session, job_id))


@router.post("/jobs/{job_id}/cancel", responses=documented(401, 403, 404, 409))
def cancel(job_id: uuid.UUID, caller: OrdererDep, session: SessionDep) -> JobOut:
    """Cancel a job; a running one's process group is ended within seconds. What needs it is cancelled too."""
    return JobOut.of(jobs.cancel(session, job_id, by=caller.name, admin=caller.role == Role.ADMIN))


@router.post("/jobs/{job_id}/retry", responses=documented(401, 403, 404, 409))
def retry(job_id: uuid.UUID, caller: OrdererDep, session: SessionDep) -> JobOut:
    """Queue a job that failed, died or was cancelled once more."""
    return JobOut.of(jobs.again(session, job_id, by=caller.name, admin=caller.role == Role.ADMIN))
