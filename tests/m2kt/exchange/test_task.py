"""What peers share, and how a difference is told."""

from collections.abc import Callable

import numpy as np
import pytest

from m2kt.errors import ExchangeError, LabelsInvalid, SamplesChanged, TaskDiffers
from m2kt.exchange import Task

LABELS = np.array([0, 2, 1, 0])


def task(**changes: object) -> Task:
    parts = {"name": "pets", "classes": ("cat", "dog", "eel"), "samples": ("a", "b", "c", "d"), "labels": LABELS}
    return Task.of(**(parts | changes))  # type: ignore[arg-type]


def test_peers_with_the_same_set_have_one_digest() -> None:
    task().check(task(labels=LABELS.astype(np.int32)), "bob")
    assert task().digest == task(labels=LABELS.astype(np.uint8)).digest


@pytest.mark.parametrize(
    ("other", "error", "says"),
    [
        (lambda: task(classes=("cat", "dog", "elk")), TaskDiffers, "number 2 is 'elk' instead of 'eel'"),
        (lambda: task(classes=("dog", "cat", "eel")), TaskDiffers, "number 0 is 'dog'"),
        (lambda: task(classes=("cat", "dog", "eel", "elk")), TaskDiffers, "4 instead of 3"),
        (lambda: task(name="plants"), TaskDiffers, "plants"),
        (lambda: task(samples=("a", "b", "x", "d")), SamplesChanged, "number 2 is 'x' instead of 'c'"),
        (lambda: task(samples=("a", "b", "c"), labels=LABELS[:3]), SamplesChanged, "3 instead of 4"),
        (lambda: task(labels=np.array([0, 2, 1, 1])), SamplesChanged, "other labels"),
    ],
)
def test_a_peer_whose_task_differs_is_refused_and_told_where(
    other: Callable[[], Task], error: type[ExchangeError], says: str
) -> None:
    with pytest.raises(error, match=says):
        task().check(other(), "bob")
    assert task().digest != other().digest


@pytest.mark.parametrize(
    "changes",
    [
        {"classes": ("cat",)},
        {"classes": ("cat", "dog", "dog")},
        {"samples": (), "labels": LABELS[:0]},
        {"samples": ("a", "b", "c", "a")},
        {"samples": ("a", "b")},
        {"labels": np.array([0, 3, 1, 0])},
        {"labels": np.array([0, -1, 1, 0])},
        {"labels": np.array([0.0, 1.0, 1.0, 0.0])},
    ],
    ids=str,
)
def test_refuses_what_is_no_task(changes: dict[str, object]) -> None:
    with pytest.raises(LabelsInvalid):
        task(**changes)


def test_dense_labels_count_with_their_shape() -> None:
    flat, square = np.zeros((2, 4), int), np.zeros((2, 2, 2), int)
    assert task(samples=("a", "b"), labels=flat).digest != task(samples=("a", "b"), labels=square).digest
