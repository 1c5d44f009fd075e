"""What packets were made of, what they did, and who has to put them away."""

from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from broker.models import Role
from broker.schemas.lineage import LineageOut, OutcomesOut, PullOut, PullPage, RecallOut, RecallPage, RelativeOut
from broker.schemas.types import AgentName, PacketRef
from broker.services import lineage, outcomes, packets, pulls, recalls
from broker.services.agents import Principal
from broker.web.deps import PublicScopeDep, SessionDep, allow
from broker.web.paging import PagingDep, cut
from broker.web.problems import documented
from m2kt.errors import Forbidden

OVERSEERS = (Role.TEACHER, Role.WORKER, Role.REVIEWER, Role.AUDITOR, Role.ADMIN)

OverseerDep = Annotated[Principal, Depends(allow(*OVERSEERS))]
RecalledDep = Annotated[Principal, Depends(allow(Role.STUDENT, Role.AUDITOR, Role.ADMIN))]

router = APIRouter(prefix="/v1", tags=["lineage"])


class Direction(StrEnum):
    ANCESTORS = "ancestors"
    DESCENDANTS = "descendants"


@router.get("/packets/{packet_id}/lineage", responses=documented(404))
def show_lineage(
    packet_id: PacketRef,
    scope: PublicScopeDep,
    session: SessionDep,
    paging: PagingDep,
    response: Response,
    direction: Direction = Direction.ANCESTORS,
    depth: Annotated[int, Query(ge=1, le=lineage.MAX_DEPTH)] = 8,
) -> LineageOut:
    """Ancestors or descendants within ``depth`` steps, oldest first; each names its own parents."""
    packets.get(session, packet_id)
    found = lineage.walk(session, packet_id, scope, up=direction == Direction.ANCESTORS, depth=depth)
    rows = lineage.page(session, found, after=paging.cursor or 0, limit=paging.one_more)
    shown = cut(rows, paging, lambda row: row.seq, response)
    parents = lineage.parents(session, [packet_id, *(each.packet_id for each in shown)], scope)
    items = [RelativeOut.of(each, found.depths[each.packet_id], parents[each.packet_id]) for each in shown]
    return LineageOut(packet_id=packet_id, parents=parents[packet_id], truncated=found.truncated, items=items)


@router.get("/packets/{packet_id}/outcomes", responses=documented(404))
def packet_outcomes(packet_id: PacketRef, _: PublicScopeDep, session: SessionDep) -> OutcomesOut:
    """What a packet did to its students; the signed reports themselves are among its attestations."""
    packets.get(session, packet_id)
    return OutcomesOut.of(outcomes.of_packet(session, packet_id))


@router.get("/teachers/{name}/outcomes", responses=documented(404))
def teacher_outcomes(name: AgentName, scope: PublicScopeDep, session: SessionDep) -> OutcomesOut:
    """What all packets that this agent published did to their students."""
    return OutcomesOut.of(outcomes.of_publisher(session, name, scope))


@router.get("/packets/{packet_id}/recall", responses=documented(401, 403, 404))
def packet_recall(
    packet_id: PacketRef, caller: OverseerDep, session: SessionDep, paging: PagingDep, response: Response
) -> RecallPage:
    """Students that have this packet, or one that was made of it, where these were taken back: whom to tell."""
    packets.get(session, packet_id)
    after, limit = paging.cursor or 0, paging.one_more
    rows = recalls.of_packet(session, packet_id, caller.scope, after=after, limit=limit)
    return RecallPage(items=[RecallOut.of(each) for each in cut(list(rows), paging, lambda row: row.id, response)])


@router.get(
    "/packets/{packet_id}/pulls",
    responses=documented(401, 403, 404),
    dependencies=[Depends(allow(*OVERSEERS))],
)
def packet_pulls(packet_id: PacketRef, session: SessionDep, paging: PagingDep, response: Response) -> PullPage:
    """Who had this packet's bytes, a row for each day (UTC) on which they did, oldest first."""
    packets.get(session, packet_id)
    rows = pulls.page(session, packet_id, after=paging.cursor or 0, limit=paging.one_more)
    return PullPage(items=[PullOut.of(each) for each in cut(list(rows), paging, lambda row: row.id, response)])


@router.get("/recalls", responses=documented(401, 403))
def agent_recalls(
    caller: RecalledDep,
    session: SessionDep,
    paging: PagingDep,
    response: Response,
    agent: Annotated[AgentName | None, Query(description="for auditors and administrators: somebody else")] = None,
) -> RecallPage:
    """What the calling student should put away; it is done once the student has reported `removed`."""
    if agent not in (None, caller.name) and caller.role == Role.STUDENT:
        raise Forbidden("a student asks for its own recalls")
    after, limit = paging.cursor or 0, paging.one_more
    rows = recalls.for_agent(session, agent or caller.name, caller.scope, after=after, limit=limit)
    return RecallPage(items=[RecallOut.of(each) for each in cut(list(rows), paging, lambda row: row.id, response)])
