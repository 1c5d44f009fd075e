"""Who is registered. Registration and revocation are an administrator's."""

import base64
from datetime import timedelta

from fastapi import APIRouter, Response, status

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
from broker.services import agents, keyring, leaving, sessions
from broker.web.deps import AdminDep, CallerOfAnyRoleDep, DeskDep, PublicScopeDep, SessionDep
from broker.web.paging import PagingDep, cut
from broker.web.problems import documented
from m2kt.signing.keys import parse_public

router = APIRouter(prefix="/v1", tags=["agents"])


@router.post(
    "/agents",
    status_code=status.HTTP_201_CREATED,
    responses={200: {"model": AgentOut, "description": "it was there"}, **documented(401, 403, 409)},
)
def register(body: AgentIn, caller: AdminDep, desk: DeskDep, session: SessionDep, response: Response) -> AgentOut:
    """Register an agent's key. Repeating equal content changes nothing."""
    key, project = parse_public(body.public_key), agents.home_of(caller, body.role, body.project)
    agent, fresh = agents.register(session, desk.key, body.name, body.role, key, body.validity, project)
    if not fresh:
        response.status_code = status.HTTP_200_OK
    return AgentOut.of(agent)


@router.get("/agents", responses=documented())
def list_agents(scope: PublicScopeDep, session: SessionDep, paging: PagingDep, response: Response) -> AgentPage:
    """Agents in order of registration, the revoked ones too."""
    shown = cut(
        agents.page(session, scope, after=paging.cursor or 0, limit=paging.one_more),
        paging,
        lambda row: row.id,
        response,
    )
    alive = sessions.present(session, [each.id for each in shown])
    return AgentPage(items=[AgentOut.of(each, alive.get(each.id)) for each in shown])


@router.post("/agents/{name}/revoke", responses=documented(401, 403, 404, 409))
def revoke(
    name: AgentName, _: AdminDep, desk: DeskDep, session: SessionDep, body: RevokeAgentIn | None = None
) -> AgentOut:
    """Take an agent's keys out of use: its requests and its signatures count no more, from now or from ``since`` on.
    Its leases end, its jobs are queued again. Packets that it signed before stay."""
    return AgentOut.of(leaving.revoke(session, desk.key, name, body.since if body else None))


@router.post("/agents/{name}/drain", responses=documented(401, 403, 404, 409))
def drain(name: AgentName, _: AdminDep, session: SessionDep) -> AgentOut:
    """Have an agent take no more work, finish what it has, and end: it hears so with its next heartbeat."""
    return AgentOut.of(agents.drain(session, name, wanted=True))


@router.post("/agents/{name}/resume", responses=documented(401, 403, 404, 409))
def resume(name: AgentName, _: AdminDep, session: SessionDep) -> AgentOut:
    """Let an agent that was drained work again."""
    return AgentOut.of(agents.drain(session, name, wanted=False))


@router.post("/agents/{name}/rotate", responses=documented(401, 403, 404, 409))
def rotate(name: AgentName, body: RotateIn, caller: CallerOfAnyRoleDep, desk: DeskDep, session: SessionDep) -> AgentOut:
    """Let your key be followed by another one, which has signed the rotation, too."""
    key, overlap = parse_public(body.public_key), timedelta(seconds=body.overlap_seconds)
    proof = base64.b64decode(body.proof)
    return AgentOut.of(agents.rotate(session, desk.key, name, key, proof, overlap, by=caller))


@router.get("/keys", responses=documented())
def list_key_statements(
    scope: PublicScopeDep, session: SessionDep, paging: PagingDep, response: Response
) -> KeyStatementPage:
    """What the broker said about keys, oldest first; each is signed and stands in the log."""
    rows = keyring.page(session, scope, after=paging.cursor or 0, limit=paging.one_more)
    return KeyStatementPage(
        items=[KeyStatementOut.of(each) for each in cut(rows, paging, lambda row: row.id, response)]
    )
