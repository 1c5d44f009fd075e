"""Sealed checks: items and answers that only a verification process opens, after alignment has ended."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from m2kt.errors import UsageError


@dataclass(frozen=True)
class Check:
    """One item: what to ask, what the text must end with, and labels to count by."""

    prompt: str
    answer: str
    tags: tuple[str, ...]


PARTS = ("decide", "report", "all")


def read_checks(path: Path, part: str) -> list[Check]:
    """The checks of one half: ``decide`` rules on activation, ``report`` is kept for what is told afterwards."""
    if part not in PARTS:
        raise UsageError(f"part must be one of {', '.join(PARTS)}, not {part!r}")
    checks = [_parse(path, number, line) for number, line in enumerate(_lines(path), 1) if line.strip()]
    chosen = [each for each in checks if part in ("all", _half(each.prompt))]
    if not chosen:
        raise UsageError(f"{path} holds no checks" + (f" for the half {part!r}" if checks else ""))
    return chosen


def _half(prompt: str) -> str:
    """A fixed half per item, whatever the order of the file."""
    return PARTS[hashlib.sha256(prompt.encode()).digest()[-1] & 1]


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the checks {path}: {error}") from error


def _parse(path: Path, number: int, line: str) -> Check:
    try:
        found = json.loads(line)
        prompt, answer, tags = found["prompt"], found["answer"], tuple(found.get("tags", ()))
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path}, line {number}: not a check ({error!r})") from error
    if not all(isinstance(each, str) and each.strip() for each in (prompt, answer, *tags)):
        raise UsageError(f"{path}, line {number}: prompt, answer and tags must be text")
    return Check(prompt, answer, tags)


def is_right(check: Check, continuation: str) -> bool:
    """Whether the continuation ends with the answer, as a whole word."""
    text, answer = continuation.rstrip(), check.answer.strip()
    if not text.endswith(answer):
        return False
    before = text[: len(text) - len(answer)][-1:]
    return not (before.isalnum() and answer[0].isalnum())


def accuracy_by_tag(checks: Sequence[Check], right: Sequence[bool]) -> dict[str, float]:
    """Share of right answers for every tag."""
    by_tag: dict[str, list[bool]] = {}
    for check, good in zip(checks, right, strict=True):
        for tag in check.tags:
            by_tag.setdefault(tag, []).append(good)
    return {tag: sum(found) / len(found) for tag, found in sorted(by_tag.items())}
