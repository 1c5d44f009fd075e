"""Keys: what the broker said about them; and tokens, which let new ones in."""

from datetime import timedelta
from typing import Annotated

from fastapi import Path, Query, Response
from sqlalchemy.orm import Session

from broker.dashboard.render import page
from broker.dashboard.route import router as pages
from broker.dashboard.route import see_other
from broker.models import Role
from broker.schemas.types import MAX_INT, ProjectOrEvery
from broker.services import enrolments, keyring
from broker.services.accounts import Person
from broker.web.deps import DeskDep, SessionDep
from broker.web.forms import FormDep, value
from broker.web.people import AdministratorDep, ViewerDep
from m2kt.errors import UsageError

router = pages()

PAGE = 50
MINUTES = 7 * 24 * 60
Before = Annotated[int | None, Query(ge=1, le=MAX_INT)]


@router.get("/keys")
def index(person: ViewerDep, session: SessionDep, before: Before = None) -> Response:
    return _page(person, session, before=before)


@router.post("/enrolments")
def make_token(person: AdministratorDep, session: SessionDep, desk: DeskDep, form: FormDep) -> Response:
    """Shown this once, so it is the answer itself that has it: loading it again makes another one."""
    role = form.get("role", "")
    if role not in set(Role):
        raise UsageError("choose a role", hint="Go back, and choose one.")
    project = value(form, "project", ProjectOrEvery) if form.get("project") else None
    minutes = form.get("minutes", "15")
    if not (minutes.isascii() and minutes.isdigit() and 1 <= int(minutes[:6]) <= MINUTES):
        raise UsageError(f"minutes: a number from 1 to {MINUTES}", hint="Go back, and correct it.")
    by, lifetime = person.acting(desk.key.public_key()), timedelta(minutes=int(minutes))
    _, token = enrolments.make(session, by, Role(role), project, form.get("name_pattern") or None, lifetime)
    return _page(person, session, token=token)


@router.post("/enrolments/{number}/withdraw")
def withdraw(number: Annotated[int, Path(ge=1, le=MAX_INT)], person: AdministratorDep, session: SessionDep) -> Response:
    enrolments.withdraw(session, number, person.scope)
    return see_other("/keys")


def _page(person: Person, session: Session, *, before: int | None = None, token: str | None = None) -> Response:
    rows = keyring.newest(session, person.scope, before=before, limit=PAGE + 1)
    tokens = enrolments.page(session, person.scope, before=None, limit=PAGE) if person.may("auditor") else []
    following = f"/keys?before={rows[PAGE - 1].id}" if len(rows) > PAGE else None
    said = [(each, keyring.read(each)) for each in rows[:PAGE]]
    return page(person, "keys.html", "keys", said=said, tokens=tokens, token=token, roles=list(Role), next=following)
