"""Forms of browsers: ``application/x-www-form-urlencoded``, each field once, as text that everything can hold."""

from typing import Annotated, Any
from urllib.parse import parse_qsl, urlsplit

from fastapi import Depends, Request
from pydantic import TypeAdapter, ValidationError

from broker.settings import Settings
from broker.web.context import BodyDep
from m2kt.errors import Forbidden, UsageError, WrongMediaType

MAX_FIELDS = 40
Form = dict[str, str]
_TYPE = "application/x-www-form-urlencoded"


async def read_form(request: Request, body: BodyDep) -> Form:
    """The fields. Line ends are as in a file; controls that no reason needs are refused."""
    if not body:
        return {}
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _TYPE:
        raise WrongMediaType(f"a form is {_TYPE}")
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError as error:
        raise UsageError("the form cannot be read", hint="Go back, and send it again.") from error
    found = {name: value.replace("\r\n", "\n").strip() for name, value in pairs}
    if any(not _plain(each) for pair in found.items() for each in pair):
        raise UsageError("a field holds control characters", hint="Type the text again instead of pasting it.")
    return found


def _plain(text: str) -> bool:
    return not any((each < " " and each not in "\n\t") or "\x7f" <= each <= "\x9f" for each in text)


FormDep = Annotated[Form, Depends(read_form)]


def value(form: Form, name: str, kind: Any) -> str:
    """A field that is to be of this type (`broker.schemas.types`); `UsageError` names it."""
    try:
        found: str = TypeAdapter(kind).validate_python(form.get(name, ""))
    except ValidationError as error:
        why = error.errors()[0]["msg"].lower()
        raise UsageError(f"{name.replace('_', ' ')}: {why}", hint="Go back, and fill it in.") from error
    return found


def require_same_origin(request: Request, settings: Settings) -> None:
    """`Forbidden` for a form that another site's page sent, or nobody can say whose."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    ours = {request.headers.get("host", ""), urlsplit(settings.public_url).netloc}
    if site not in (None, "same-origin") or (origin is not None and _authority(origin) not in ours):
        raise Forbidden("another site sent this form", hint="Open the page at the broker itself, and send it there.")
    if site is None and origin is None:
        raise Forbidden("this form does not say which page it comes from", hint="Use a browser; scripts have the API.")


def _authority(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc or None
    except ValueError:
        return None
