"""How agents come in: an administrator makes a token, and the agent's own host makes the key."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response, status

from broker.models import Role
from broker.schemas.agents import AgentOut
from broker.schemas.sessions import EnrolIn, EnrolmentIn, EnrolmentMade, EnrolmentOut, EnrolmentPage
from broker.schemas.types import MAX_INT
from broker.services import enrolments
from broker.services.agents import Principal
from broker.services.enrolments import Wanted
from broker.web.deps import AdminDep, DeskDep, ProofDep, SessionDep, allow, anyone
from broker.web.paging import PagingDep, cut
from broker.web.problems import documented
from m2kt.signing.keys import parse_public

router = APIRouter(prefix="/v1", tags=["agents"])

OverseerDep = Annotated[Principal, Depends(allow(Role.ADMIN, Role.AUDITOR))]
EnrolmentId = Annotated[int, Path(ge=1, le=MAX_INT)]


@router.post("/enrolments", status_code=status.HTTP_201_CREATED, responses=documented(401, 403, 409))
def make_token(body: EnrolmentIn, caller: AdminDep, session: SessionDep) -> EnrolmentMade:
    """Make a token that lets one agent in. Its words are in this answer and nowhere else."""
    lifetime = timedelta(seconds=body.lifetime_seconds)
    row, token = enrolments.make(session, caller, body.role, body.project, body.name_pattern, lifetime)
    return EnrolmentMade(**EnrolmentOut.of(row).model_dump(), token=token)


@router.get("/enrolments", responses=documented(401, 403, 409))
def list_tokens(caller: OverseerDep, session: SessionDep, paging: PagingDep, response: Response) -> EnrolmentPage:
    """Tokens without their words, newest first: who made them, for what, and which key used them."""
    rows = enrolments.page(session, caller.scope, before=paging.cursor, limit=paging.one_more)
    return EnrolmentPage(items=[EnrolmentOut.of(each) for each in cut(rows, paging, lambda row: row.id, response)])


@router.post("/enrolments/{enrolment_id}/withdraw", responses=documented(401, 403, 404, 409))
def withdraw_token(enrolment_id: EnrolmentId, caller: AdminDep, session: SessionDep) -> EnrolmentOut:
    """Let a token that nobody has used end now."""
    return EnrolmentOut.of(enrolments.withdraw(session, enrolment_id, caller.scope))


@router.post(
    "/enrol",
    status_code=status.HTTP_201_CREATED,
    responses={200: {"model": AgentOut, "description": "this key was let in before"}, **documented(401, 403, 409)},
    dependencies=[Depends(anyone("the token is what lets in; the key that it registers signs the request"))],
)
def enrol(body: EnrolIn, proof: ProofDep, desk: DeskDep, session: SessionDep, response: Response) -> AgentOut:
    """Spend a token on a key. The same key may say it again after a lost answer; no nonce is kept, as a repetition
    changes nothing."""
    key = parse_public(body.public_key)
    proof.require(key)
    wanted = Wanted(body.name, body.role, body.project)
    agent, fresh = enrolments.enrol(session, desk.key, body.token, wanted, key)
    if not fresh:
        response.status_code = status.HTTP_200_OK
    return AgentOut.of(agent)
