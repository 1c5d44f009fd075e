"""Work for the broker's worker: extraction, alignment, and a no-op that shows that work is done at all."""

import uuid

from fastapi import APIRouter, Response, status

from broker.models import JobKind, JobState, Role
from broker.schemas.jobs import JobIn, JobOut, JobPage
from broker.services import jobs, orders
from broker.web.deps import CallerDep, SessionDep
from broker.web.paging import PagingDep, cut
from broker.web.problems import documented

router = APIRouter(prefix="/v1", tags=["jobs"])


@router.post("/jobs", status_code=status.HTTP_201_CREATED, responses=documented(401, 403, 404, 409, 410))
def submit(body: JobIn, caller: CallerDep, session: SessionDep, response: Response) -> JobOut:
    """Order a job; docs/broker.md has the fields of each kind."""
    job = orders.place(session, body.kind, body.spec, by=caller)
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    return JobOut.of(job)


@router.get("/jobs", responses=documented())
def list_jobs(
    session: SessionDep,
    paging: PagingDep,
    response: Response,
    state: JobState | None = None,
    kind: JobKind | None = None,
) -> JobPage:
    """Jobs, newest first."""
    rows = jobs.page(session, before=paging.cursor, limit=paging.one_more, state=state, kind=kind)
    return JobPage(items=[JobOut.of(each) for each in cut(rows, paging, lambda row: row.seq, response)])


@router.get("/jobs/{job_id}", responses=documented(404))
def show(job_id: uuid.UUID, session: SessionDep) -> JobOut:
    """One job."""
    return JobOut.of(jobs.get(session, job_id))


@router.post("/jobs/{job_id}/cancel", responses=documented(401, 403, 404, 409))
def cancel(job_id: uuid.UUID, caller: CallerDep, session: SessionDep) -> JobOut:
    """Cancel a job; a running one's process group is ended within seconds."""
    return JobOut.of(jobs.cancel(session, job_id, by=caller.name, admin=caller.role == Role.ADMIN))
