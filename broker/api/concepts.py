"""Nearest concepts, within one teacher's space (`broker.services.concepts`)."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from broker.models import Role
from broker.schemas.packets import NearPage
from broker.schemas.types import PacketRef
from broker.services import concepts
from broker.services.agents import Principal
from broker.web.deps import SessionDep, allow
from broker.web.problems import documented

SeekerDep = Annotated[Principal, Depends(allow(Role.STUDENT, Role.TEACHER, Role.WORKER, Role.AUDITOR, Role.ADMIN))]
Row = Annotated[int, Path(ge=0, le=2**31 - 1, description="row of `concepts/centroids`")]

router = APIRouter(prefix="/v1", tags=["packets"])


@router.get("/packets/{packet_id}/concepts/{concept}/nearest", responses=documented(401, 403, 404, 409, 410, 501))
def nearest(
    packet_id: PacketRef,
    concept: Row,
    caller: SeekerDep,
    session: SessionDep,
    limit: Annotated[int, Query(ge=1, le=100)] = 10,
) -> NearPage:
    """Concepts of the other approved packets of the caller's projects, nearest first, in the space of this packet's
    teacher: its weights, the operator that read them, their width. Concepts of other teachers are never compared."""
    return NearPage.of(concepts.nearest(session, packet_id, concept, limit, caller.scope))
