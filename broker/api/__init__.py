"""REST under ``/v1``: endpoints parse their input and call one service."""

from fastapi import APIRouter

from broker.api import about, agents, attestations, content, jobs, packets

router = APIRouter(prefix="/v1")
for each in (packets, content, attestations, agents, jobs, about):
    router.include_router(each.router)
