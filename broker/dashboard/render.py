"""Templates to answers: autoescaped, strict about missing names, with headers that allow nothing from elsewhere."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import escape

from broker.services.accounts import Person

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # `no-referrer` would take the Origin from our own forms
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}

PLACES = (
    ("overview", "/", "Overview", "viewer"),
    ("packets", "/packets", "Packets", "viewer"),
    ("reviews", "/reviews", "Reviews", "viewer"),
    ("jobs", "/jobs", "Jobs", "viewer"),
    ("agents", "/agents", "Agents", "viewer"),
    ("channels", "/channels", "Channels", "viewer"),
    ("keys", "/keys", "Keys", "viewer"),
    ("log", "/log", "Log", "viewer"),
    ("health", "/health", "Health", "viewer"),
    ("accounts", "/accounts", "Accounts", "admin"),
)
"""What the navigation leads to: a word for it, its address, its name, and who may go there."""

LONGEST = 2000
"""Characters of one value; a longer one is cut, and says how long it is. Texts are for reading, not for filling."""

_STEERING = dict.fromkeys(
    [*range(0x20), *range(0x7F, 0xA0), 0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF]
)
"""Controls, and marks that turn the direction of what follows: a name must not rearrange the page."""
for _each in _STEERING:
    _STEERING[_each] = f"\\u{_each:04x}"
del _STEERING[ord("\n")], _STEERING[ord("\t")]


def page(person: Person | None, template: str, here: str = "", status: int = 200, **values: Any) -> HTMLResponse:
    """A whole page; ``here`` is the word of its place in the navigation."""
    places = [each for each in PLACES if person is not None and person.may(each[3])]
    told = {"person": person, "here": here, "places": places, **values}
    return HTMLResponse(render(template, told), status, HEADERS)


def fragment(template: str, **values: Any) -> HTMLResponse:
    """A part of a page, for a script that puts it in its place."""
    return HTMLResponse(render(template, values), headers=HEADERS)


def render(template: str, values: Mapping[str, Any]) -> str:
    return _environment().get_template(template).render(values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("broker.dashboard"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=harmless,
        auto_reload=False,  # an upgrade replaces files under running processes
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        when=when, iso=iso, value=value, short=short, clip=clip, ago=ago, whole=_Whole, exact=escape
    )
    environment.globals["now"] = lambda: datetime.now(UTC)
    return environment


class _Whole(str):
    """A text that is shown in full: a log, a signed note. For fields of forms: the filter `exact`."""


def harmless(anything: Any) -> Any:
    """What every expression of every template goes through: no text steers the page, none fills it. Markup (what
    macros made) has been through it."""
    if not isinstance(anything, str) or hasattr(anything, "__html__"):
        return anything
    return plain(anything if isinstance(anything, _Whole) else clip(anything, LONGEST))


def plain(text: str) -> str:
    return text.translate(_STEERING)


def clip(text: Any, most: int = 80) -> str:
    """The beginning of a long text, and how long it is."""
    shown = str(text)
    return shown if len(shown) <= most else f"{shown[:most]}… ({len(shown):,} characters)"


def when(moment: datetime | None) -> str:
    return "" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def iso(moment: datetime) -> str:
    """For the attribute of ``<time>``."""
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def ago(moment: datetime) -> str:
    """How long that is away, in the largest whole unit."""
    seconds = (datetime.now(UTC) - moment).total_seconds()
    size = next((each for each in _UNITS if abs(seconds) >= each[0]), (1, "s"))
    text = f"{abs(seconds) // size[0]:.0f} {size[1]}"
    return f"{text} ago" if seconds >= 0 else f"in {text}"


_UNITS = ((86400, "d"), (3600, "h"), (60, "min"))


def value(anything: Any) -> str:
    """Text as it is, everything else as JSON."""
    return anything if isinstance(anything, str) else json.dumps(anything, ensure_ascii=False)


def short(digest: str) -> str:
    """Enough of a digest to tell two apart at a glance; the page has it in full, too."""
    return digest.removeprefix("sha256:")[:12]
