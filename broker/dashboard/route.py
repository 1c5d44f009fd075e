"""What every page has in common: errors are pages, too, and a sign-in that ended keeps what was typed."""

from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from broker.dashboard.render import HEADERS, page
from broker.web.forms import Form
from broker.web.people import CSRF_FIELD, PasswordDue, SignInNeeded
from broker.web.problems import headers_of
from m2kt.errors import M2KTError, NotFound, UsageError

SECRETS = (CSRF_FIELD, "password", "old", "new", "again")
"""Fields that no page gives back."""


class Page(APIRoute):
    """A route whose refusals are pages."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except SignInNeeded as needed:
                return sign_in_first(request, needed.form)
            except PasswordDue:
                return see_other("/account")
            except RequestValidationError:
                return error_page(
                    UsageError("this address is not as the page has it", hint="Go back, and choose again.")
                )
            except M2KTError as error:
                return error_page(error)

        return answer


def router() -> APIRouter:
    return APIRouter(include_in_schema=False, default_response_class=HTMLResponse, route_class=Page)


def install(app: FastAPI) -> None:
    """Have browsers told on a page that there is nothing at an address; everybody else hears it as a problem."""
    told = app.exception_handlers[HTTPException]

    def nowhere(request: Request, error: Exception) -> Any:
        assert isinstance(error, HTTPException)
        wants_page = "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/v1/")
        if error.status_code == 404 and wants_page:
            return error_page(NotFound("there is no such page", hint="The places are listed on the overview."))
        return told(request, error)

    app.add_exception_handler(HTTPException, nowhere)


def error_page(error: M2KTError) -> Response:
    answer = page(None, "error.html", status=error.status, error=error)
    answer.headers.update(headers_of(error))
    return answer


def sign_in_first(request: Request, form: Form | None) -> Response:
    """To the sign-in page, which leads back; with a form, it holds what was typed until then."""
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    if "hx-request" in request.headers:
        return Response(status_code=401, headers=HEADERS)  # the page stays as it is, with what was typed in it
    if form is None:
        return see_other(f"/sign-in?next={quote(here)}")
    kept = {name: each for name, each in form.items() if name not in SECRETS}
    return page(None, "sign_in.html", status=401, next="/", name="", kept=kept, path=request.url.path, fault=None)


def see_other(address: str) -> Response:
    """After a form: what is shown next, so that loading it again sends nothing twice."""
    return RedirectResponse(address, 303, HEADERS)


def inside(address: str) -> str:
    """An address of this site; anything else is the first page."""
    good = address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable()
    return address if good else "/"
