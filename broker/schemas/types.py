"""Values from strangers, in the shapes that the database and JSON can hold.

Postgres holds no NUL and no lone surrogate; JSON holds no NaN; drivers end at 64 bits; recursion ends somewhere.
"""

import math
from typing import Annotated, Any

from pydantic import AfterValidator, Field, JsonValue, StringConstraints

from m2kt.packet.fields import DIGEST, NAME

MAX_INT = 2**63 - 1
MAX_DEPTH = 16
MAX_ITEMS = 10_000


def _plain(text: str) -> str:
    if any(character < " " or "\x7f" <= character <= "\x9f" for character in text):
        raise ValueError("control characters are not allowed")
    return _storable_text(text)


def _storable_text(text: str) -> str:
    if "\x00" in text or (not text.isascii() and any("\ud800" <= each <= "\udfff" for each in text)):
        raise ValueError("NUL and lone surrogates are not allowed")
    return text


def _storable(value: dict[str, Any]) -> dict[str, Any]:
    _check(value, MAX_DEPTH, [MAX_ITEMS])
    return value


def _check(value: JsonValue, depth: int, left: list[int]) -> None:
    """Raise ValueError for what JSONB, a driver or a reader could choke on; ``left`` counts values down."""
    left[0] -= 1
    if depth == 0 or left[0] < 0:
        raise ValueError(f"at most {MAX_DEPTH} levels and {MAX_ITEMS} values are allowed")
    if isinstance(value, dict):
        for key, each in value.items():
            _storable_text(key)
            _check(each, depth - 1, left)
    elif isinstance(value, list):
        for each in value:
            _check(each, depth - 1, left)
    else:
        _check_scalar(value)


def _check_scalar(value: str | bool | int | float | None) -> None:
    if isinstance(value, str):
        _storable_text(value)
    elif isinstance(value, int) and abs(value) > MAX_INT:
        raise ValueError("integers are limited to 64 bits")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError("numbers must be finite")


Line = Annotated[str, StringConstraints(min_length=1, max_length=512), AfterValidator(_plain)]
"""One line of text for people."""

LogText = Annotated[str, StringConstraints(max_length=262_144), AfterValidator(_storable_text)]
"""The end of a log."""

AgentName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
ProjectName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
ProjectOrEvery = Annotated[str, StringConstraints(pattern=r"^([a-z0-9][a-z0-9._-]{0,63}|\*)$")]
PublicKeyText = Annotated[str, StringConstraints(pattern=r"^ed25519:[A-Za-z0-9+/]{43}=$")]
SignatureText = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{86}==$")]
PacketRef = Annotated[str, StringConstraints(pattern=f"^{DIGEST.pattern}$")]
PacketName = Annotated[str, StringConstraints(pattern=f"^{NAME.pattern}$")]
DomainText = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._/-]{0,127}(@[0-9A-Za-z.+-]{1,64})?$")]
TeacherText = Annotated[str, StringConstraints(min_length=1, max_length=512), AfterValidator(_plain)]
TagText = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
SearchText = Annotated[str, StringConstraints(min_length=1, max_length=256), AfterValidator(_plain)]
"""Words to look for."""

FilterText = Annotated[str, StringConstraints(max_length=512), AfterValidator(_plain)]
"""A field of a search form; empty where nothing is asked for."""

EntryHex = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
TilePath = Annotated[str, StringConstraints(max_length=64)]
JsonObject = Annotated[dict[str, Any], AfterValidator(_storable)]

Cursor = Annotated[int, Field(ge=1, le=MAX_INT)]
PageSize = Annotated[int, Field(ge=1, le=200)]
