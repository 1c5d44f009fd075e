"""Confidences, masks and targets against a slow reference."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from m2kt.errors import ConfidenceInvalid, LabelsInvalid, PredictionsInvalid
from m2kt.exchange import confidences, mask_shares, masks, probabilities, targets

UNIT = st.floats(0, 1, width=32)
TABLES = arrays.arrays(np.float32, st.tuples(st.integers(1, 5), st.integers(1, 9)), elements=UNIT)


def slow_confidence(logits: np.ndarray, label: int) -> float:
    """softmax(z)[gt] of one sample, spelled out."""
    top = max(float(z) for z in logits)
    powers = [math.exp(float(z) - top) for z in logits]
    return powers[label] / math.fsum(powers)


def slow_masks(table: np.ndarray) -> list[list[bool]]:
    teachers = []
    for sample in range(table.shape[1]):
        best = 0
        for peer in range(table.shape[0]):
            if table[peer, sample] > table[best, sample]:
                best = peer
        teachers.append(best)
    return [[teacher == peer for teacher in teachers] for peer in range(table.shape[0])]


def test_confidence_is_the_softmax_of_the_true_class() -> None:
    rng = np.random.default_rng(1)
    logits, labels = rng.normal(size=(50, 7)).astype(np.float32) * 10, rng.integers(0, 7, 50)
    slow = [slow_confidence(z, int(y)) for z, y in zip(logits, labels, strict=True)]
    assert confidences(probabilities(logits), labels) == pytest.approx(slow, abs=1e-7)


def test_extreme_predictions_stay_probabilities() -> None:
    logits = np.array([[3e38, -3e38], [0, 0], [-80, 80]], np.float32)
    assert confidences(probabilities(logits), np.array([0, 0, 0])).tolist() == pytest.approx([1, 0.5, 0])


@given(TABLES)
def test_masks_are_the_slow_ones(table: np.ndarray) -> None:
    assert masks(table).tolist() == slow_masks(table)


@given(TABLES)
def test_every_sample_has_exactly_one_teacher_and_the_shares_sum_to_one(table: np.ndarray) -> None:
    assert (masks(table).sum(axis=0) == 1).all()
    assert mask_shares(masks(table)).sum() == pytest.approx(1)


def test_a_tie_goes_to_the_first_peer() -> None:
    assert masks(np.array([[0.2, 0.5], [0.5, 0.5], [0.5, 0.5]])).tolist() == [[False, True], [True, False], [False] * 2]


def test_dense_masks_choose_a_teacher_for_every_pixel() -> None:
    rng = np.random.default_rng(2)
    logits, labels = rng.normal(size=(2, 3, 4, 5, 6)).astype(np.float32), rng.integers(0, 4, (3, 5, 6))
    table = np.stack([confidences(probabilities(each), labels) for each in logits])
    roles = masks(table)
    assert roles.shape == (2, 3, 5, 6)
    flat = logits.transpose(0, 1, 3, 4, 2).reshape(2, -1, 4)
    slow = [[slow_confidence(z, int(y)) for z, y in zip(each, labels.ravel(), strict=True)] for each in flat]
    assert roles.reshape(2, -1).tolist() == slow_masks(np.array(slow))
    assert 0 < roles[0].mean() < 1
    taught = targets(list(logits), roles)
    for n, h, w in np.ndindex(3, 5, 6):
        assert (taught[n, :, h, w] == logits[int(roles[1, n, h, w]), n, :, h, w]).all()


def test_targets_read_only_what_a_peer_teaches() -> None:
    roles = np.array([[True, False], [False, True]])
    mine, theirs = np.full((2, 3), np.nan, np.float32), np.full((2, 3), np.nan, np.float32)
    mine[0], theirs[1] = 1, 2
    assert targets([mine, theirs], roles).tolist() == [[1, 1, 1], [2, 2, 2]]


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -0.01, 1.01])
def test_refuses_a_confidence_that_is_no_probability(wrong: float) -> None:
    with pytest.raises(ConfidenceInvalid, match=r"1 confidences are outside \[0, 1\]"):
        masks(np.array([[0.5, wrong], [0.5, 0.5]]))
    with pytest.raises(ConfidenceInvalid):
        confidences(np.array([[wrong, 0.5]]), np.array([0]))


def test_refuses_probabilities_that_do_not_sum_to_one() -> None:
    with pytest.raises(ConfidenceInvalid, match="sum to 1"):
        confidences(np.array([[0.9, 0.9]]), np.array([0]))


@pytest.mark.parametrize("shape", [(3,), (0, 3)])
def test_refuses_a_table_without_peers(shape: tuple[int, ...]) -> None:
    with pytest.raises(ConfidenceInvalid):
        masks(np.zeros(shape))


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), float("-inf")])
def test_refuses_predictions_that_are_not_finite(wrong: float) -> None:
    with pytest.raises(PredictionsInvalid, match="first 1"):
        probabilities(np.array([[0.0, 0.0], [0.0, wrong]]))


@pytest.mark.parametrize("shape", [(4,), (4, 1)])
def test_refuses_predictions_without_classes(shape: tuple[int, ...]) -> None:
    with pytest.raises(PredictionsInvalid):
        probabilities(np.zeros(shape))


@pytest.mark.parametrize("labels", [np.array([0]), np.array([0, 2]), np.array([0, -1]), np.array([0.0, 1.0])])
def test_refuses_labels_that_do_not_fit(labels: np.ndarray) -> None:
    with pytest.raises(LabelsInvalid):
        confidences(np.full((2, 2), 0.5), labels)
