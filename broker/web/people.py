"""People at the dashboard: a cookie says who looks, and every page says who may (`signed_in`).

Cookies count for pages only; the API asks for signatures. What changes something is a form of our own pages: it comes
from the same site (Origin, Sec-Fetch-Site), with the cookie (SameSite=Strict) and with what only a page of that sign-in
holds.
"""

import hmac
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from fastapi import Depends, Request, Response
from starlette.concurrency import run_in_threadpool

from broker.db import transaction
from broker.models import PersonRole
from broker.services import sign_ins
from broker.services.accounts import Person
from broker.services.scopes import Scope
from broker.services.sign_ins import Terms
from broker.settings import Settings
from broker.web.access import SAFE_METHODS, Rule, guard_path
from broker.web.context import Context, ContextDep
from broker.web.forms import Form, read_form, require_same_origin
from m2kt.errors import Forbidden

CSRF_FIELD = "csrf"
"""The field of every form."""


class SignInNeeded(Exception):
    """Nobody is signed in (any more). ``form``: what was typed, to be kept."""

    def __init__(self, form: Form | None = None) -> None:
        super().__init__("sign in")
        self.form = form


class PasswordDue(Exception):
    """The account's password was made by somebody else: first its holder chooses another."""


@dataclass(frozen=True)
class SignedIn:
    """The dependency that `signed_in` makes."""

    rule: Rule
    least: PersonRole
    whatever_password: bool = False

    async def __call__(self, request: Request, context: ContextDep) -> Person:
        changes = request.method not in SAFE_METHODS
        form = await read_form(request, await request.body()) if changes else None
        if changes:
            require_same_origin(request, context.settings)
        person, due = await run_in_threadpool(_who, context, request)
        if person is None and not changes and self.least == PersonRole.VIEWER and context.settings.dashboard_open:
            person = Person("", PersonRole.VIEWER, Scope(frozenset(context.settings.public_projects)))
        if person is None:
            raise SignInNeeded(form)
        if form is not None and not hmac.compare_digest(form.get(CSRF_FIELD, "").encode(), person.csrf.encode()):
            raise SignInNeeded(form)  # of an earlier sign-in: what was typed is kept, and shown again
        if due and not self.whatever_password:
            raise PasswordDue
        self._require_role(person)
        await guard_path(request, context, person.scope, shared=not changes)
        return person

    def _require_role(self, person: Person) -> None:
        if not person.role.may(self.least):
            raise Forbidden(
                f"{person.name or 'who is not signed in'} has the role {person.role}; this needs {self.least}",
                hint="Ask an administrator: `m2kt dashboard account add` makes accounts of every role.",
            )


def signed_in(least: PersonRole, *, whatever_password: bool = False) -> SignedIn:
    """A dependency: who looks at a page, which somebody of this role may, or of one that may more; and who is at home
    where the path leads."""
    return SignedIn(Rule(None, f"people sign in; least role: {least}"), least, whatever_password)


def _who(context: Context, request: Request) -> tuple[Person | None, bool]:
    """Who is signed in, and whether a new password is due."""
    token = cookie(request, context.settings)
    if token is None:
        return None, False
    with transaction(context.sessions) as session:
        found = sign_ins.of(session, token, terms(context.settings))
        if found is None:
            return None, False
        account = found.account
        scope, csrf = Scope.of(account.project), sign_ins.csrf(token)
        person = Person(account.name, account.role, scope, account.project, account.id, csrf)
        return person, account.must_change


ViewerDep = Annotated[Person, Depends(signed_in(PersonRole.VIEWER))]
AuditorDep = Annotated[Person, Depends(signed_in(PersonRole.AUDITOR))]
OperatorDep = Annotated[Person, Depends(signed_in(PersonRole.OPERATOR))]
AdministratorDep = Annotated[Person, Depends(signed_in(PersonRole.ADMIN))]
AnybodySignedInDep = Annotated[Person, Depends(signed_in(PersonRole.VIEWER, whatever_password=True))]


# The cookie


def terms(settings: Settings) -> Terms:
    return Terms(timedelta(hours=settings.dashboard_hours), timedelta(minutes=settings.dashboard_idle_minutes))


def _secure(settings: Settings) -> bool:
    return settings.public_url.startswith("https://")


def cookie_name(settings: Settings) -> str:
    """Over https a name that no other host of the domain can set (RFC 6265bis, 4.1.3.2)."""
    return "__Host-m2kt" if _secure(settings) else "m2kt"


def cookie(request: Request, settings: Settings) -> str | None:
    return request.cookies.get(cookie_name(settings))


def set_cookie(response: Response, settings: Settings, token: str) -> None:
    response.set_cookie(
        cookie_name(settings),
        token,
        max_age=int(settings.dashboard_hours * 3600),
        path="/",
        secure=_secure(settings),
        httponly=True,
        samesite="strict",
    )


def clear_cookie(response: Response, settings: Settings) -> None:
    response.delete_cookie(cookie_name(settings), path="/", secure=_secure(settings), httponly=True, samesite="strict")
