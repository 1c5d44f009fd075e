"""Leases: work for agents over HTTP, with the rules that the broker's own worker keeps. Nothing here needs Redis."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Depends, Response, status

from broker.schemas.jobs import JobOut
from broker.schemas.leases import BeatIn, BeatOut, FinishIn, LeaseIn, LeaseOut, OrderOut, ReleaseIn
from broker.services import leases
from broker.services.agents import Principal
from broker.services.leases import Held
from broker.web.deps import ContextDep, SessionDep, allow
from broker.web.problems import documented

router = APIRouter(prefix="/v1/leases", tags=["leases"])

HolderDep = Annotated[Principal, Depends(allow(*sorted(leases.MAY_LEASE)))]


@router.post(
    "",
    response_model=LeaseOut,
    responses={204: {"description": "nothing is due for this agent"}, **documented(401, 403)},
)
def take(body: LeaseIn, caller: HolderDep, context: ContextDep, session: SessionDep) -> LeaseOut | Response:
    """Take the next job. The attempt counts from here."""
    seconds = context.settings.lease_seconds
    held = leases.take(session, caller, body.session, body.kinds, body.offer, seconds)
    return Response(status_code=status.HTTP_204_NO_CONTENT) if held is None else LeaseOut.of(held, seconds)


@router.post("/heartbeat", responses=documented(401, 403))
def heartbeat(body: BeatIn, caller: HolderDep, context: ContextDep, session: SessionDep) -> BeatOut:
    """Renew everything that the agent holds; the answer orders it to stop what it holds no longer."""
    seconds = context.settings.lease_seconds
    held = [Held(each.job, each.fence, each.progress, each.log) for each in body.held]
    lost = leases.beat(session, caller, body.session, held, seconds)
    orders = [OrderOut(order="stop", job=each.job, reason=each.reason) for each in lost]
    return BeatOut(now=leases.now(session), lease_seconds=seconds, orders=orders)


@router.post("/{job_id}/finish", responses=documented(401, 403, 404, 409))
def finish(job_id: uuid.UUID, body: FinishIn, caller: HolderDep, session: SessionDep) -> JobOut:
    """Say how the job ended; 409 ``lease-lost`` when it is another's by now. Saying it twice changes nothing."""
    error = body.error or {"code": body.outcome, "detail": f"{caller.name} says no more"}
    claimed = Held(job_id, body.fence, log=body.log)
    return JobOut.of(leases.finish(session, caller, body.session, claimed, body.outcome, body.result, error))


@router.post("/{job_id}/release", responses=documented(401, 403, 404, 409))
def release(job_id: uuid.UUID, body: ReleaseIn, caller: HolderDep, session: SessionDep) -> JobOut:
    """Give the job back unharmed."""
    return JobOut.of(leases.release(session, caller, body.session, Held(job_id, body.fence)))
