"""Accounts of people at the dashboard, made with an administrator's key."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response, status

from broker.models import Role
from broker.schemas.accounts import AccountIn, AccountMade, AccountName, AccountOut, AccountPage
from broker.services import accounts
from broker.services.agents import Principal
from broker.web.deps import AdminDep, SessionDep, allow
from broker.web.paging import PagingDep, cut
from broker.web.problems import documented

router = APIRouter(prefix="/v1", tags=["accounts"])

OverseerDep = Annotated[Principal, Depends(allow(Role.ADMIN, Role.AUDITOR))]


@router.post("/accounts", status_code=status.HTTP_201_CREATED, responses=documented(401, 403, 409))
def add(body: AccountIn, caller: AdminDep, session: SessionDep) -> AccountMade:
    """Make an account. Its one-time password is in this answer and nowhere else."""
    row, told = accounts.add(session, body.name, body.role, by=caller, project=body.project, password=body.password)
    return AccountMade(**AccountOut.of(row).model_dump(), password=told)


@router.get("/accounts", responses=documented(401, 403, 409))
def list_accounts(caller: OverseerDep, session: SessionDep, paging: PagingDep, response: Response) -> AccountPage:
    """Accounts of your projects, in the order in which they were made."""
    rows = accounts.page(session, caller.scope, after=paging.cursor or 0, limit=paging.one_more)
    return AccountPage(items=[AccountOut.of(each) for each in cut(rows, paging, lambda row: row.id, response)])


@router.post("/accounts/{name}/reset", responses=documented(401, 403, 404, 409))
def reset(name: AccountName, caller: AdminDep, session: SessionDep) -> AccountMade:
    """Give an account a new one-time password, and sign it out everywhere."""
    row, told = accounts.reset(session, name, caller.scope)
    return AccountMade(**AccountOut.of(row).model_dump(), password=told)


@router.post("/accounts/{name}/disable", responses=documented(401, 403, 404, 409))
def disable(name: AccountName, caller: AdminDep, session: SessionDep) -> AccountOut:
    """Let an account in no more, from now on; again changes nothing. Its name stays taken."""
    return AccountOut.of(accounts.disable(session, name, caller.scope))
