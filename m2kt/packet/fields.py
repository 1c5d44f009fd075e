"""Rules of single manifest fields. Each takes an untrusted value and returns it typed, or raises `ManifestError`."""

import re
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any, TypeVar

from m2kt.packet.canonical import MAX_INT
from m2kt.packet.rules import refuse

NAME = re.compile(r"[a-z0-9][a-z0-9._/-]{0,127}")
KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,127}")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,18})?")
CREATED = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
VERSION = re.compile(
    r"(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})"
    r"(-(0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)(\.(0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*))*)?"
    r"(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?"
)  # the pattern of semver.org, with bounded numbers

# C0 and C1 controls, and what re-orders or breaks a line of text on somebody's screen.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_TOKEN_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # newline and tab may stand in symbols and leads

T = TypeVar("T")


def _matching(value: object, pattern: re.Pattern[str], where: str, limit: int, what: str) -> str:
    if not isinstance(value, str) or len(value) > limit or not pattern.fullmatch(value):
        refuse("pattern", f"{where} is not {what}")
    return value


def name(value: object, where: str) -> str:
    """``[a-z0-9][a-z0-9._/-]{0,127}``, no ``..`` and no empty segment: it becomes part of a path."""
    text = _matching(value, NAME, where, 128, "a name ([a-z0-9][a-z0-9._/-]{0,127})")
    if ".." in text or "//" in text or text.endswith("/") or "/./" in text or text.endswith("/."):
        refuse("pattern", f"{where} must have no '..', '.' or empty segment")
    return text


def key(value: object, where: str) -> str:
    """``[A-Za-z0-9][A-Za-z0-9._/-]{0,127}``: what policies compare is ASCII, so that nothing looks like it."""
    return _matching(value, KEY, where, 128, "a key ([A-Za-z0-9][A-Za-z0-9._/-]{0,127})")


def version(value: object, where: str) -> str:
    """A semantic version 2.0.0 of at most 64 characters."""
    return _matching(value, VERSION, where, 64, "a semantic version (1.2.3)")


def digest(value: object, where: str) -> str:
    """``sha256:`` and 64 lower-case hexadecimal digits."""
    return _matching(value, DIGEST, where, 71, "a digest (sha256:<64 hex digits>)")


def decimal(value: object, where: str) -> str:
    """A decimal number as a string, without exponent: JSON floats have no single spelling."""
    return _matching(value, DECIMAL, where, 40, "a decimal number in a string")


def created(value: object, where: str) -> str:
    """RFC 3339, UTC, whole seconds: ``2026-01-31T12:00:00Z``."""
    text = _matching(value, CREATED, where, 20, "a time like 2026-01-31T12:00:00Z")
    try:
        datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        refuse("time", f"{where} is no date of the calendar")
    return text


def text(value: object, where: str, limit: int = 256) -> str:
    """1 to ``limit`` characters of one line."""
    if not isinstance(value, str) or not 1 <= len(value) <= limit:
        refuse("text", f"{where} must be text of 1 to {limit} characters")
    if _CONTROL.search(value):
        refuse("text", f"{where} holds a control character")
    return value


def token(value: object, where: str, limit: int = 1024) -> str:
    """A piece of the teacher's text, at most ``limit`` characters; newline and tab may stand in it."""
    if not isinstance(value, str) or len(value) > limit:
        refuse("text", f"{where} must be text of at most {limit} characters")
    if _TOKEN_CONTROL.search(value):
        refuse("text", f"{where} holds a control character")
    return value


def count(value: object, where: str, least: int = 0, most: int = MAX_INT) -> int:
    """An integer between ``least`` and ``most``; JSON's true and false are none."""
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        refuse("count", f"{where} must be an integer from {least} to {most}")
    return value


def setting(value: object, where: str) -> str | int:
    """A setting of the extraction: a line of text or an integer."""
    if isinstance(value, str):
        return text(value, where, 1024)
    return count(value, where, -MAX_INT)


def mapping(value: object, where: str, rule: Callable[[object, str], T], limit: int = 64) -> dict[str, T]:
    """At most ``limit`` entries whose keys are names (capitals allowed) and whose values obey ``rule``."""
    if not isinstance(value, Mapping) or len(value) > limit:
        refuse("mapping", f"{where} must be an object of at most {limit} entries")
    return {key(each, f"a key of {where}"): rule(value[each], f"{where}.{each}") for each in value}


def sequence(value: object, where: str, rule: Callable[[object, str], T], limit: int) -> tuple[T, ...]:
    """At most ``limit`` values that obey ``rule``."""
    if not isinstance(value, list | tuple) or len(value) > limit:
        refuse("list", f"{where} must be a list of at most {limit} values")
    return tuple(rule(each, f"{where}[{index}]") for index, each in enumerate(value))


def exactly(value: object, keys: Collection[str], where: str) -> dict[str, Any]:
    """``value`` as an object with these keys, none missing and none besides."""
    if not isinstance(value, dict):
        refuse("object", f"{where} must be an object")
    if missing := sorted(set(keys) - set(value)):
        refuse("missing-key", f"{where} lacks {', '.join(missing)}")
    if extra := sorted(set(value) - set(keys)):
        refuse("unknown-key", f"{where} has {extra[0][:80]!r}, which version 1 does not know")
    return value
