"""Signing in and out, and one's own password."""

from fastapi import Depends, Request, Response

from broker.dashboard.render import page
from broker.dashboard.route import SECRETS, inside, see_other
from broker.dashboard.route import router as pages
from broker.db import transaction
from broker.services import accounts, passwords, sign_ins
from broker.services.accounts import Person
from broker.web.deps import Context, ContextDep, SessionDep, anyone
from broker.web.forms import Form, FormDep, require_same_origin
from broker.web.people import AnybodySignedInDep, clear_cookie, cookie, set_cookie, terms
from m2kt.errors import UsageError

router = pages()

OPEN = [Depends(anyone("this is where people say who they are"))]
KEPT = "kept-"
_WRONG = "There is no such account, or this is not its password."


@router.get("/sign-in", dependencies=OPEN)
async def ask(next: str = "/") -> Response:
    return page(None, "sign_in.html", next=inside(next), name="", kept={}, path="", fault=None)


@router.post("/sign-in", dependencies=OPEN)
def sign_in(request: Request, context: ContextDep, form: FormDep) -> Response:
    """Two transactions: a try counts even if it fails, and the slow digest between them holds no connection."""
    require_same_origin(request, context.settings)
    name, told = form.get("name", ""), inside(form.get("next", "/"))
    kept = {each.removeprefix(KEPT): text for each, text in form.items() if each.startswith(KEPT)}
    path = inside(form["path"]) if form.get("path") else ""
    token = _token(context, request, name, form.get("password", ""))
    if token is None:
        return page(None, "sign_in.html", status=401, next=told, name=name, kept=kept, path=path, fault=_WRONG)
    answer = _send_again(token, path, kept) if path else see_other(told)
    set_cookie(answer, context.settings, token)
    return answer


def _token(context: Context, request: Request, name: str, password: str) -> str | None:
    with transaction(context.sessions) as session:
        sign_ins.throttle(session, name, request.client.host if request.client else "")
        account = sign_ins.find(session, name)
    if not passwords.matches(password, account.password if account else None) or account is None:
        return None
    with transaction(context.sessions) as session:
        return sign_ins.open_(session, account, terms(context.settings))


def _send_again(token: str, path: str, kept: Form) -> Response:
    """What was typed before the sign-in ended, to be looked at and sent by its writer: never by us."""
    shown = {name: text for name, text in kept.items() if name not in SECRETS}
    return page(None, "again.html", path=path, kept=shown, csrf=sign_ins.csrf(token))


@router.post("/sign-out")
def sign_out(request: Request, _: AnybodySignedInDep, context: ContextDep, session: SessionDep) -> Response:
    sign_ins.end(session, cookie(request, context.settings) or "")
    answer = see_other("/sign-in")
    clear_cookie(answer, context.settings)
    return answer


@router.get("/account")
async def own(person: AnybodySignedInDep) -> Response:
    return page(person, "account.html", fault=None)


@router.post("/account")
def change_password(person: AnybodySignedInDep, context: ContextDep, form: FormDep, session: SessionDep) -> Response:
    """A new password; every browser is signed out, and this one signed in anew."""
    fault = _fault(form)
    if fault is None:
        fault = _change(session, person, form)
    if fault is not None:
        return page(person, "account.html", status=422, fault=fault)
    token = sign_ins.open_(session, accounts.get(session, person.name, person.scope), terms(context.settings))
    answer = see_other("/")
    if token is not None:
        set_cookie(answer, context.settings, token)
    return answer


def _fault(form: Form) -> str | None:
    return "The two new passwords are not the same." if form.get("new") != form.get("again") else None


def _change(session: SessionDep, person: Person, form: Form) -> str | None:
    assert person.account_id is not None
    try:
        done = accounts.change(session, person.account_id, form.get("old", ""), form.get("new", ""))
    except UsageError as error:
        return f"{error.detail}. {error.hint}"
    if not done:
        return "The present password is another one, or the new one is the same."
    sign_ins.end_all(session, person.account_id)
    return None
