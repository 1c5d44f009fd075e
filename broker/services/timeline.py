"""A job's attempts, read from its events: who had it, from when to when, and how that ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from broker.models import JobEvent

BEGINS = "running"


@dataclass(frozen=True)
class Attempt:
    """``end`` and ``outcome`` are None while it goes on; ``start`` and ``length``: its place in the job's whole time,
    in thousandths."""

    number: int
    owner: str
    begin: datetime
    end: datetime | None
    outcome: str
    why: str
    start: int = 0
    length: int = 1000


def attempts(events: Sequence[JobEvent], now: datetime) -> list[Attempt]:
    """Each begins with its claim, and ends with what follows."""
    found: list[dict[str, Any]] = []
    for each in events:
        if each.what == BEGINS:
            owner = str(each.detail.get("owner", ""))
            found.append({"number": each.attempt, "owner": owner, "begin": each.at, "end": None})
        elif found and found[-1]["end"] is None:
            why = str(each.detail.get("why") or each.detail.get("code") or "")
            found[-1] |= {"end": each.at, "outcome": each.what, "why": why}
    if not found:
        return []
    first = events[0].at
    whole = max(((found[-1]["end"] or now) - first).total_seconds(), 0.001)
    return [_placed(each, first, whole, now) for each in found]


def _placed(each: dict[str, Any], first: datetime, whole: float, now: datetime) -> Attempt:
    start = (each["begin"] - first).total_seconds() / whole
    length = ((each["end"] or now) - each["begin"]).total_seconds() / whole
    told = {"outcome": "running", "why": "", **each}
    return Attempt(**told, start=round(1000 * start), length=max(4, round(1000 * length)))
