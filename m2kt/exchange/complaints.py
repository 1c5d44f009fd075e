"""Lies: a claimed confidence that the teacher's own predictions do not give.

Who holds the labels computes it again. Without labels only this shows: the claim is the probability of no class at all
(`m2kt.exchange.packets.read` refuses that). So a complaint needs labels, and what it says is checked as far as the
packet goes: what was claimed, and that the prediction gives what the complaint says it gives.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m2kt.errors import ExchangeError, ManifestError
from m2kt.exchange.masks import confidences, probabilities
from m2kt.exchange.packets import TOLERANCE, Taught
from m2kt.packet import fields

SHOWN = 64
"""Places that a complaint shows; each tells the label of one place to whoever reads it."""


@dataclass(frozen=True)
class Complaint:
    """What differs: ``shown`` holds up to 64 places, each with what was claimed there and what the prediction gives."""

    exchange: str
    round: int
    accused: str
    differing: int
    shown: tuple[tuple[int, str, str], ...]

    def to_dict(self) -> dict[str, Any]:
        """The predicate; canonical JSON has no floats, so probabilities are decimals."""
        return {
            "exchange": self.exchange,
            "round": self.round,
            "accused": self.accused,
            "differing": self.differing,
            "shown": [list(each) for each in self.shown],
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "Complaint":
        """Checked; `ExchangeError` for what is no complaint."""
        try:
            said = fields.exactly(dict(value), ("exchange", "round", "accused", "differing", "shown"), "the complaint")
            shown = fields.sequence(said["shown"], "shown", _shown, SHOWN)
            number, differing = fields.count(said["round"], "round"), fields.count(said["differing"], "differing", 1)
            exchange, accused = fields.text(said["exchange"], "exchange"), fields.text(said["accused"], "accused")
        except ManifestError as error:
            raise ExchangeError(error.detail) from error
        return cls(exchange, number, accused, differing, shown)


def _shown(value: object, where: str) -> tuple[int, str, str]:
    if not isinstance(value, list | tuple) or len(value) != 3:
        raise ExchangeError(f"{where} must be a place, what was claimed there and what the prediction gives")
    place = fields.count(value[0], where)
    return place, fields.decimal(value[1], where), fields.decimal(value[2], where)


def compare(taught: Taught, labels: NDArray[np.integer]) -> list[tuple[int, str, str]]:
    """Places where a teacher's claim is not what its prediction gives; ``labels`` (n,) are those of ``taught``."""
    found = confidences(probabilities(taught.logits), labels)
    wrong = np.flatnonzero(np.abs(found - taught.confidences) > TOLERANCE)
    return [(int(taught.places[n]), decimal(taught.confidences[n]), decimal(found[n])) for n in wrong]


def substantiate(complaint: Complaint, taught: Taught) -> None:
    """`ExchangeError` unless each place shown is taught there, claims what is said, and some class's probability is
    what the complaint says that the prediction gives."""
    if not complaint.shown or complaint.differing < len(complaint.shown) or complaint.differing > len(taught.places):
        raise ExchangeError("the complaint shows nothing, or counts otherwise than it shows")
    given = probabilities(taught.logits)
    for place, claimed, found in complaint.shown:
        row = int(np.searchsorted(taught.places, place))
        if row == len(taught.places) or taught.places[row] != place:
            raise ExchangeError(f"{complaint.accused} does not teach place {place}")
        if decimal(taught.confidences[row]) != claimed:
            raise ExchangeError(f"{complaint.accused} did not claim {claimed} at place {place}")
        if np.abs(given[row] - float(found)).min() > TOLERANCE:
            raise ExchangeError(f"no class has the probability {found} at place {place}")
        if abs(float(claimed) - float(found)) <= TOLERANCE:
            raise ExchangeError(f"{claimed} and {found} at place {place} are within the tolerance of {TOLERANCE:g}")


def decimal(value: float | np.floating[Any]) -> str:
    """A probability as a decimal of nine places."""
    return f"{float(value):.9f}"
