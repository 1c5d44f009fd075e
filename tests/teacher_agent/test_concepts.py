"""Running sums give the centroids, spreads and supports that all states together would give."""

import numpy as np
import pytest

from m2kt.errors import ExtractionRefused
from teacher_agent.concepts import Key, Sums, condense


def test_streamed_sums_equal_the_whole() -> None:
    rng = np.random.default_rng(0)
    states = rng.normal(size=(900, 6))
    keys: list[Key] = [(int(n % 3), (int(n % 7),)) for n in range(900)]
    sums = Sums(6)
    for start in range(0, 900, 64):
        sums.add(keys[start : start + 64], states[start : start + 64])
    found = condense(sums, 5, 1000)
    for key, centroid, spread, support in zip(
        found.keys, found.centroids, found.dispersion, found.support, strict=True
    ):
        members = states[[each == key for each in keys]]
        assert support == len(members)
        assert np.allclose(centroid, members.mean(0), atol=1e-5)
        assert np.isclose(spread, np.sqrt(((members - members.mean(0)) ** 2).sum(1).mean()), atol=1e-4)


def test_more_concepts_than_first_room_is_made_for() -> None:
    sums = Sums(2)
    sums.add([(0, (n,)) for n in range(1000)], np.arange(2000.0).reshape(1000, 2))
    found = condense(sums, 1, 2000)
    assert sorted(found.centroids[:, 0].tolist()) == [2.0 * n for n in range(1000)]


def test_what_has_little_support_and_what_is_too_many_is_left_out_and_counted() -> None:
    sums = Sums(1)
    for number, size in enumerate((9, 7, 5, 4)):
        sums.add([(0, (number,))] * size, np.zeros((size, 1)))
    found = condense(sums, 5, 2)
    assert found.support.tolist() == [9, 7]
    assert (found.covered, found.seen) == (16, 25)


def test_refuses_when_nothing_has_support() -> None:
    sums = Sums(1)
    sums.add([(0, (1,))], np.zeros((1, 1)))
    with pytest.raises(ExtractionRefused, match="members"):
        condense(sums, 5, 10)
