"""Accounts of people: who may look and decide here. An administrator's key makes them (`m2kt dashboard`)."""

from typing import Annotated

from fastapi import Query, Response

from broker.dashboard.render import page
from broker.dashboard.route import router as pages
from broker.dashboard.route import see_other
from broker.schemas.accounts import AccountName
from broker.schemas.types import MAX_INT
from broker.services import accounts
from broker.web.deps import SessionDep
from broker.web.people import AdministratorDep
from m2kt.errors import Conflict

router = pages()

PAGE = 100
After = Annotated[int, Query(ge=0, le=MAX_INT)]


@router.get("/accounts")
def index(person: AdministratorDep, session: SessionDep, after: After = 0) -> Response:
    rows = accounts.page(session, person.scope, after=after, limit=PAGE + 1)
    following = f"/accounts?after={rows[PAGE - 1].id}" if len(rows) > PAGE else None
    return page(person, "accounts.html", "accounts", accounts=rows[:PAGE], next=following)


@router.post("/accounts/{name}/disable")
def disable(name: AccountName, person: AdministratorDep, session: SessionDep) -> Response:
    if name == person.name:
        raise Conflict("this is your own account", hint="Another administrator may disable it.")
    accounts.disable(session, name, person.scope)
    return see_other("/accounts")
