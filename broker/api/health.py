"""Liveness, readiness and metrics; outside ``/v1`` and unsigned, for the machines around the broker."""

from typing import Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from broker.db import transaction
from broker.jobs import check_redis
from broker.services import health
from broker.web.deps import OPEN_MACHINES, ContextDep
from broker.web.problems import documented
from m2kt.errors import QueueAway

router = APIRouter(tags=["health"], dependencies=[Depends(OPEN_MACHINES)])


class Health(BaseModel):
    status: Literal["ok", "degraded"] = "ok"
    database: Literal["ok"] | None = None
    redis: Literal["ok", "away"] | None = None
    detail: str | None = None


@router.get("/healthz", response_model_exclude_none=True)
def alive() -> Health:
    """The process answers. It asks nobody else: restarting the broker brings no database back."""
    return Health()


@router.get("/readyz", responses=documented(), response_model_exclude_none=True)
def ready(context: ContextDep) -> Health:
    """Whether requests can be served: 503 ``database-away`` without Postgres; without Redis only slower (``degraded``),
    because the worker finds its jobs in Postgres all the same."""
    with transaction(context.sessions) as session:
        health.check_database(session)
    try:
        check_redis(context.settings.redis_url)
    except QueueAway as error:
        return Health(status="degraded", database="ok", redis="away", detail=error.detail)
    return Health(database="ok", redis="ok")
