"""Templates to answers: autoescaped, strict about missing names, with headers that allow no script at all."""

import json
from datetime import UTC, datetime
from functools import cache
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def render(template: str, **values: Any) -> HTMLResponse:
    return HTMLResponse(_environment().get_template(template).render(values), headers=HEADERS)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("broker.dashboard"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(when=when, value=value, short=short)
    return environment


def when(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def value(anything: Any) -> str:
    """Text as it is, everything else as JSON."""
    return anything if isinstance(anything, str) else json.dumps(anything, ensure_ascii=False)


def short(digest: str) -> str:
    """Enough of a digest to tell two apart at a glance; the page has it in full, too."""
    return digest.removeprefix("sha256:")[:12]
