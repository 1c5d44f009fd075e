"""Complaints: what a holder of labels finds, and how far it can be checked without labels."""

import numpy as np
import pytest

from m2kt.errors import ExchangeError
from m2kt.exchange import confidences, probabilities
from m2kt.exchange.complaints import Complaint, compare, decimal, substantiate
from m2kt.exchange.packets import Taught

LABELS = np.array([0, 1, 2, 0])
LOGITS = np.random.default_rng(2).normal(size=(4, 3)).astype(np.float32)
TRUE = confidences(probabilities(LOGITS), LABELS)


def taught(claims: np.ndarray = TRUE) -> Taught:
    return Taught(np.array([1, 3, 4, 8]), LOGITS, claims)


def lied() -> Taught:
    """At the second and third row the claim is another class's probability."""
    claims = TRUE.copy()
    claims[1:3] = confidences(probabilities(LOGITS), (LABELS + 1) % 3)[1:3]
    return taught(claims)


def complaint(**change: object) -> Complaint:
    shown = tuple(compare(lied(), LABELS))
    return Complaint(**{"exchange": "x", "round": 0, "accused": "bob", "differing": 2, "shown": shown, **change})


def test_an_honest_claim_differs_nowhere() -> None:
    assert compare(taught(), LABELS) == []


def test_a_lie_is_found_where_it_is() -> None:
    assert [place for place, _, _ in compare(lied(), LABELS)] == [3, 4]


def test_a_rounding_is_no_lie() -> None:
    assert compare(taught(np.nextafter(TRUE, np.float32(1))), LABELS) == []


def test_a_complaint_comes_back_as_it_was_and_is_borne_out() -> None:
    said = complaint()
    assert Complaint.from_dict(said.to_dict()) == said
    substantiate(said, lied())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"shown": ()}, "shows nothing"),
        ({"differing": 1}, "counts otherwise"),
        ({"differing": 5}, "counts otherwise"),
        ({"shown": ((2, "0.5", "0.1"),)}, "does not teach place 2"),
        ({"shown": ((9, "0.5", "0.1"),)}, "does not teach place 9"),
        ({"shown": ((3, "0.5", "0.1"),)}, "did not claim"),
        ({"shown": ((3, decimal(lied().confidences[1]), "0.999999"),)}, "no class has"),
        ({"shown": ((1, decimal(TRUE[0]), decimal(TRUE[0])),)}, "within the tolerance"),
    ],
)
def test_a_complaint_that_says_otherwise_than_the_packet_is_refused(change: dict, words: str) -> None:
    with pytest.raises(ExchangeError, match=words):
        substantiate(complaint(**change), lied())


@pytest.mark.parametrize(
    "change",
    [
        {"shown": [[1, "0.5"]]},
        {"shown": [["1", "0.5", "0.1"]]},
        {"shown": [[1, 0.5, "0.1"]]},
        {"shown": [[1, "half", "0.1"]]},
        {"shown": [[1, "0.5", "0.1"]] * 65},
        {"shown": "all"},
        {"round": -1},
        {"differing": True},
        {"accused": "bob\n"},
        {"extra": 1},
    ],
)
def test_what_is_no_complaint_is_refused(change: dict) -> None:
    with pytest.raises(ExchangeError):
        Complaint.from_dict({**complaint().to_dict(), **change})
