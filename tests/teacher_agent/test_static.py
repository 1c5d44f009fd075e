import numpy as np
import pytest

from m2kt.errors import ExtractionRefused
from m2kt.packet.static import LEAST_SUPPORT
from teacher_agent.static import concepts


def test_every_concept_has_support_and_is_the_mean_of_its_items():
    rng = np.random.default_rng(1)
    states = rng.normal(size=(300, 6)).astype(np.float32)
    said = (states[:, 0] > 0).astype(np.int64)
    found = concepts(states, said, ("no", "yes"), 40, seed=2)
    assert found.support.min() >= LEAST_SUPPORT
    assert found.support.sum() == 300
    assert found.weight.sum() == pytest.approx(1, abs=1e-5)
    assert 20 <= len(found.support) <= 40
    assert np.array_equal(found.centroids[:, 0] > 0, found.emissions == 1)
    whole = (found.centroids * found.support[:, None]).sum(0) / 300
    assert np.allclose(whole, states.mean(0), atol=1e-4)


def test_a_symbol_that_is_said_of_too_few_items_gets_no_concept():
    states = np.random.default_rng(1).normal(size=(50, 3)).astype(np.float32)
    said = np.zeros(50, np.int64)
    said[:4] = 1
    assert set(concepts(states, said, ("a", "b"), 5, seed=0).emissions.tolist()) == {0}
    with pytest.raises(ExtractionRefused, match="no symbol"):
        concepts(states[:4], said[:4], ("a", "b"), 5, seed=0)


def test_states_that_are_not_finite_are_refused():
    states = np.full((20, 3), np.nan, np.float32)
    with pytest.raises(ExtractionRefused, match="NaN"):
        concepts(states, np.zeros(20, np.int64), ("a",), 2, seed=0)
