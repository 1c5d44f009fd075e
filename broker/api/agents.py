"""Who is registered. Registration and revocation are an administrator's."""

from fastapi import APIRouter, Depends, Response, status

from broker.models import Role
from broker.schemas.agents import AgentIn, AgentOut, AgentPage
from broker.schemas.types import AgentName
from broker.services import agents
from broker.web.deps import SessionDep, allow
from broker.web.paging import PagingDep, cut
from broker.web.problems import documented
from m2kt.signing.keys import parse_public

router = APIRouter(prefix="/v1", tags=["agents"])
for_admins = Depends(allow(Role.ADMIN))


@router.post(
    "/agents",
    status_code=status.HTTP_201_CREATED,
    responses={200: {"model": AgentOut, "description": "it was there"}, **documented(401, 403, 409)},
    dependencies=[for_admins],
)
def register(body: AgentIn, session: SessionDep, response: Response) -> AgentOut:
    """Register an agent's key. Repeating equal content changes nothing."""
    agent, fresh = agents.register(session, body.name, body.role, parse_public(body.public_key))
    if not fresh:
        response.status_code = status.HTTP_200_OK
    return AgentOut.of(agent)


@router.get("/agents", responses=documented())
def list_agents(session: SessionDep, paging: PagingDep, response: Response) -> AgentPage:
    """Agents in order of registration, the revoked ones too."""
    rows = agents.page(session, after=paging.cursor or 0, limit=paging.one_more)
    return AgentPage(items=[AgentOut.of(each) for each in cut(rows, paging, lambda row: row.id, response)])


@router.post("/agents/{name}/revoke", responses=documented(401, 403, 404), dependencies=[for_admins])
def revoke(name: AgentName, session: SessionDep) -> AgentOut:
    """Take an agent's key out of use: its requests and its signatures on new packets count no more."""
    return AgentOut.of(agents.revoke(session, name))
