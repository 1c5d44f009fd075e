"""When a key counts. Three rules, each with a name that a refusal carries:

``key-not-yet-valid`` before ``not_before``; ``key-expired`` from ``not_after`` on; ``key-revoked`` from ``revoked`` on.

A signer's clock proves nothing, so the time that is judged is never the signer's: it is now, or the time of the
broker's receipt, whose place in the transparency log proves that the signature was there by then (docs/log.md, *Keys*).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime

from m2kt.errors import KeyNotValid, UsageError

_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", re.ASCII)


@dataclass(frozen=True)
class Validity:
    """``[not_before, not_after)``, cut short by ``revoked``; None is no limit. Times have a zone."""

    not_before: datetime | None = None
    not_after: datetime | None = None
    revoked: datetime | None = None

    def __post_init__(self) -> None:
        if self.not_before and self.not_after and self.not_before >= self.not_after:
            raise UsageError("a key must begin to be valid before it ends to be")

    def fault(self, at: datetime) -> str | None:
        """The rule that a signature of ``at`` breaks, and why; the gravest first."""
        if self.revoked is not None and at >= self.revoked:
            return f"key-revoked: since {time_text(self.revoked)}"
        if self.not_after is not None and at >= self.not_after:
            return f"key-expired: on {time_text(self.not_after)}"
        if self.not_before is not None and at < self.not_before:
            return f"key-not-yet-valid: before {time_text(self.not_before)}"
        return None

    def require(self, at: datetime, holder: str) -> None:
        """`KeyNotValid` with the rule's name unless a signature of ``at`` counts."""
        fault = self.fault(at)
        if fault is not None:
            raise KeyNotValid(f"{fault} ({holder})")

    def lines(self) -> Iterator[str]:
        """As in a public key's file: ``not-after 2027-01-01T00:00:00Z``."""
        for each in fields(self):
            value = getattr(self, each.name)
            if value is not None:
                yield f"{each.name.replace('_', '-')} {time_text(value)}"

    @classmethod
    def parse(cls, lines: list[str]) -> "Validity":
        """What `lines` wrote; `UsageError` for unknown, doubled or disordered lines, which must not be overlooked."""
        words = [line.split(" ") for line in lines]
        if any(len(each) != 2 for each in words):
            raise UsageError("a line of a key file says not-before, not-after or revoked, and a time")
        found = cls(**{name.replace("-", "_"): parse_time(text) for name, text in words if name in _NAMES})
        if list(found.lines()) != lines:
            raise UsageError(f"the lines of a key file are {', '.join(_NAMES)}, in this order, each at most once")
        return found


_NAMES = tuple(each.name.replace("_", "-") for each in fields(Validity))

ALWAYS = Validity()


def parse_time(text: str) -> datetime:
    """RFC 3339, UTC, whole seconds; `UsageError` otherwise."""
    try:
        if _TIME.fullmatch(text):
            return datetime.fromisoformat(text)
    except ValueError:  # no such day
        pass
    raise UsageError(f"{text!a} is not a time like 2027-01-31T12:00:00Z")


def time_text(at: datetime) -> str:
    """What `parse_time` reads; parts of a second are dropped, so that a limit is never later than it was meant."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
