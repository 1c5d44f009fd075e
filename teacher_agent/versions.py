"""Which version comes next, and whose child it is."""

from collections.abc import Mapping, Sequence
from typing import Any

from m2kt.packet import fields as rule

PARTS = ("major", "minor", "patch")
FIRST = (1, 0, 0)
GONE = frozenset({"revoked", "rejected"})
"""What nobody can take any more is nobody's parent."""

Number = tuple[int, int, int]


def number(version: str) -> Number:
    """Major, minor and patch of a semantic version; a pre-release counts as its release, which it leads to."""
    rule.version(version, "version")
    major, minor, patch = version.partition("+")[0].partition("-")[0].split(".")
    return int(major), int(minor), int(patch)


def after(taken: Sequence[str], part: str) -> str:
    """The version that follows the highest of those that are taken, whoever published them: a version is used once."""
    if not taken:
        return _text(FIRST)
    grown = list(max(map(number, taken)))
    place = PARTS.index(part)
    grown[place:] = [grown[place] + 1, *[0] * (len(PARTS) - place - 1)]
    return _text((grown[0], grown[1], grown[2]))


def parent(published: Sequence[Mapping[str, Any]], publisher: str, known: str | None) -> Mapping[str, Any] | None:
    """The highest version that this key (its id) published and that still stands; None for a first one. ``known`` is
    the id of a packet that is ours under whatever key: an agent's key may have been rotated since."""
    standing = [each for each in published if each["state"] not in GONE]
    ours = [each for each in standing if each["publisher_key"] == publisher or each["packet_id"] == known]
    return max(ours, key=lambda each: number(each["version"]), default=None)


def _text(version: Number) -> str:
    return ".".join(map(str, version))
