"""The order of versions: precedence of semantic versioning 2.0.0, section 11."""

from m2kt.packet import fields

Precedence = tuple[int, int, int, tuple[tuple[int, int, str], ...]]
"""Compares as the versions do. Build metadata has no part in it."""

_RELEASE = (1, 0, "")
_BEFORE_RELEASE = (0, 0, "")


def precedence(version: str) -> Precedence:
    """Where a version stands among others; `ManifestError` for what is none.

    A pre-release comes before its release; its identifiers compare one by one, numbers as numbers and before words,
    and a longer list after its own beginning.
    """
    core, _, pre = fields.version(version, "version").partition("+")[0].partition("-")
    major, minor, patch = (int(each) for each in core.split("."))
    if not pre:
        return major, minor, patch, (_RELEASE,)
    return major, minor, patch, (_BEFORE_RELEASE, *map(_identifier, pre.split(".")))


def is_prerelease(version: str) -> bool:
    return precedence(version)[3] != (_RELEASE,)


def _identifier(text: str) -> tuple[int, int, str]:
    return (0, int(text), "") if text.isdigit() else (1, 0, text)
