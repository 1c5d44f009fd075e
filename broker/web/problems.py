"""Every error leaves as RFC 9457 problem+json: no traceback, no echo of the input."""

import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from broker.schemas.problem import Fault, Problem
from m2kt.errors import BodyTimeout, M2KTError, NotFound, TooLarge, UploadOffset, UsageError, catalogue

MEDIA_TYPE = "application/problem+json"
_MAX_FAULTS = 20
_TITLES = {
    400: "the request cannot be read",
    401: "sign the request",
    403: "not allowed",
    404: "not found",
    405: "method not allowed",
    408: "the body came too slowly",
    409: "conflict with the present state",
    410: "gone for good",
    412: "somebody was faster",
    413: "too large",
    415: "another media type",
    416: "range not satisfiable",
    422: "refused as it is",
    428: "say what you saw",
    429: "too many requests",
    501: "not installed here",
    503: "a server behind the broker is away",
}

log = logging.getLogger(__name__)


_RETRY = {"Retry-After": {"schema": {"type": "integer"}, "description": "seconds"}}
_ODD = {416, 422}
"""Statuses that a request which does not fit the API may get besides 400."""

_RATE = {name: {"schema": {"type": "string"}} for name in ("RateLimit", "RateLimit-Policy")}
_HEADERS: dict[int, dict[str, Any]] = {
    401: {"WWW-Authenticate": {"schema": {"const": "Signature"}}},
    408: {"Connection": {"schema": {"const": "close"}}},
    429: _RETRY | _RATE,
    503: _RETRY,
}


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's entries for these problems, and for those that every route may answer with. A route that asks who
    calls may also say that the caller goes too fast; ``x-problem-types`` lists the codes of a status."""
    signed = {408, 429} if 401 in statuses else set()
    return {each: _entry(each) for each in sorted({400, 413, 422, 503, *signed, *statuses})}


def _entry(status: int) -> dict[str, Any]:
    codes = {each.code for each in catalogue() if each.status == status}
    types = sorted(f"urn:m2kt:error:{each}" for each in codes | ({UsageError.code} if status in _ODD else set()))
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    entry: dict[str, Any] = {"model": Problem, "description": _TITLES[status], "content": content}
    return entry | {"x-problem-types": types} | ({"headers": dict(_HEADERS[status])} if status in _HEADERS else {})


def problem_response(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    return Response(problem.model_dump_json(exclude_none=True), problem.status, headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Make every way to fail speak problem+json."""
    app.add_exception_handler(M2KTError, _on_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_defect)


def _on_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, M2KTError)
    if error.status >= 500:
        log.warning("%s %s: %s (%s)", request.method, request.url.path, error.detail, error.code)
    return problem_response(Problem.of(error), headers_of(error))


def headers_of(error: M2KTError) -> dict[str, str]:
    """RFC 9110 asks for a challenge beside 401; Retry-After is a kindness beside 503; an upload says where to go on."""
    if isinstance(error, UploadOffset) and error.received is not None:
        return {"Upload-Offset": str(error.received)}
    fixed = {401: {"WWW-Authenticate": "Signature"}, 408: {"Connection": "close"}, 503: {"Retry-After": "2"}}
    return fixed.get(error.status, {})


def _on_invalid(request: Request, error: Exception) -> Response:
    """FastAPI's own handler echoes the input, and breaks on a NaN in it."""
    assert isinstance(error, RequestValidationError)
    faults = [
        Fault(where=_printable(".".join(map(str, each["loc"]))), what=_printable(each["msg"]))
        for each in error.errors()[:_MAX_FAULTS]
    ]
    named = UsageError(f"{len(error.errors())} values of the request are not as the API has them")
    return problem_response(Problem.of(named, status=422, errors=faults))


def _printable(text: str) -> str:
    """Names of unknown fields are the caller's words: short, and nothing that UTF-8 cannot carry."""
    return text[:200].encode("utf-8", "backslashreplace").decode().replace("\x00", "\\0")


def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    kind = {404: NotFound, 408: BodyTimeout, 413: TooLarge}.get(error.status_code, UsageError)
    detail = f"there is nothing at {_printable(request.url.path)}" if error.status_code == 404 else error.detail
    return problem_response(Problem.of(kind(detail), status=error.status_code), error.headers)


def _on_defect(request: Request, error: Exception) -> Response:
    log.exception("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem_response(Problem.of(M2KTError("the broker met something that it does not know how to handle")))
