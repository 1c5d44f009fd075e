"""Who is registered. Registration and revocation are an administrator's."""

import base64
from datetime import timedelta

from fastapi import APIRouter, Depends, Response, status

from broker.models import Role
from broker.schemas.agents import (
    AgentIn,
    AgentOut,
    AgentPage,
    KeyStatementOut,
    KeyStatementPage,
    RevokeAgentIn,
    RotateIn,
)
from broker.schemas.types import AgentName
from broker.services import agents, keyring
from broker.web.deps import CallerDep, DeskDep, SessionDep, allow
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
def register(body: AgentIn, desk: DeskDep, session: SessionDep, response: Response) -> AgentOut:
    """Register an agent's key. Repeating equal content changes nothing."""
    agent, fresh = agents.register(
        session, desk.key, body.name, body.role, parse_public(body.public_key), body.validity
    )
    if not fresh:
        response.status_code = status.HTTP_200_OK
    return AgentOut.of(agent)


@router.get("/agents", responses=documented())
def list_agents(session: SessionDep, paging: PagingDep, response: Response) -> AgentPage:
    """Agents in order of registration, the revoked ones too."""
    rows = agents.page(session, after=paging.cursor or 0, limit=paging.one_more)
    return AgentPage(items=[AgentOut.of(each) for each in cut(rows, paging, lambda row: row.id, response)])


@router.post("/agents/{name}/revoke", responses=documented(401, 403, 404), dependencies=[for_admins])
def revoke(name: AgentName, desk: DeskDep, session: SessionDep, body: RevokeAgentIn | None = None) -> AgentOut:
    """Take an agent's keys out of use: its requests and its signatures count no more, from now or from ``since`` on.
    Packets that it signed before stay."""
    return AgentOut.of(agents.revoke(session, desk.key, name, body.since if body else None))


@router.post("/agents/{name}/rotate", responses=documented(401, 403, 404, 409))
def rotate(name: AgentName, body: RotateIn, caller: CallerDep, desk: DeskDep, session: SessionDep) -> AgentOut:
    """Let your key be followed by another one, which has signed the rotation, too."""
    key, overlap = parse_public(body.public_key), timedelta(seconds=body.overlap_seconds)
    proof = base64.b64decode(body.proof)
    return AgentOut.of(agents.rotate(session, desk.key, name, key, proof, overlap, by=caller))


@router.get("/keys", responses=documented())
def list_key_statements(session: SessionDep, paging: PagingDep, response: Response) -> KeyStatementPage:
    """What the broker said about keys, oldest first; each is signed and stands in the log."""
    rows = keyring.page(session, after=paging.cursor or 0, limit=paging.one_more)
    return KeyStatementPage(
        items=[KeyStatementOut.of(each) for each in cut(rows, paging, lambda row: row.id, response)]
    )
