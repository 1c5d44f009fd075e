"""A small encoder learns the geometry of a teacher from anchors, and holds no more than it was given to hold."""

import numpy as np
import pytest
import torch

from m2kt.errors import AlignmentRefused
from student_agent.bag import Bag, Shape, pieces, regression
from student_agent.distil import Schedule, embedding_matching, learn, score_matching, unit

VOCABULARY, WIDTH = 120, 16
SHAPE = Shape(((60, 16), (-1, 12)), 8, 4)


def world(count: int, seed: int) -> tuple[torch.Tensor, np.ndarray]:
    """Texts of one to six pieces, some of which weigh nothing; the teacher's state is the sum of the others."""
    rng = np.random.default_rng(seed)
    meaning = (
        np.random.default_rng(0).normal(size=(VOCABULARY + 1, WIDTH)) * (np.arange(VOCABULARY + 1) % 4 > 0)[:, None]
    )
    ids = rng.integers(1, VOCABULARY + 1, (count, 6)) * (np.arange(6) < rng.integers(1, 7, (count, 1)))
    return torch.from_numpy(ids), (meaning * (np.arange(VOCABULARY + 1) > 0)[:, None])[ids].sum(1) + 1e-3


@pytest.fixture(scope="module")
def model() -> Bag:
    return learn(*world(3000, 1), VOCABULARY, Schedule(epochs=6, batch=64), SHAPE)


def test_the_student_sees_texts_that_it_never_saw_as_the_teacher_does(model):
    ids, states = world(400, 2)
    with torch.inference_mode():
        made = model(ids).numpy()
    assert np.linalg.norm(made, axis=1) == pytest.approx(1, abs=1e-5)
    assert (made * unit(states)).sum(1).mean() > 0.85
    assert np.corrcoef((made @ made.T).ravel(), (unit(states) @ unit(states).T).ravel())[0, 1] > 0.8


def test_padding_changes_nothing(model):
    ids, _ = world(5, 3)
    wider = torch.nn.functional.pad(ids, (0, 7))
    with torch.inference_mode():
        assert torch.allclose(model(ids), model(wider), atol=1e-6)


def test_a_piece_that_no_anchor_has_weighs_nothing_and_an_empty_text_is_no_number(model):
    found = Bag(VOCABULARY, np.arange(1, 50), WIDTH, SHAPE)
    with torch.inference_mode():
        alone, beside = found(torch.tensor([[3, 0], [3, 99]]))
        assert torch.isfinite(found(torch.zeros(1, 2, dtype=torch.long))).all()
    assert torch.allclose(alone, beside, atol=1e-5)  # but for what the count says


def test_it_starts_as_the_regression_where_the_bands_are_wide_enough():
    ids, states = world(2000, 4)
    vectors = regression(ids, unit(states), VOCABULARY)
    counts = np.bincount(ids.numpy().ravel(), minlength=VOCABULARY + 1)
    found = Bag(VOCABULARY, np.arange(1, VOCABULARY + 1), WIDTH, Shape(((-1, WIDTH),), 8, 4))
    found.start(vectors, counts)
    rows = ids.numpy()
    means = vectors[rows].sum(1) / (rows > 0).sum(1, keepdims=True)
    with torch.inference_mode():
        assert found(ids).numpy() == pytest.approx(unit(means), abs=1e-3)


def test_the_regression_is_the_closed_form():
    ids, states = world(500, 5)
    rows = ids.numpy()
    means = np.zeros((len(rows), VOCABULARY + 1))
    np.add.at(
        means, (np.arange(len(rows))[:, None].repeat(rows.shape[1], 1), rows), 1 / (rows > 0).sum(1, keepdims=True)
    )
    means[:, 0] = 0
    exact = np.linalg.solve(means.T @ means + 0.1 * np.eye(VOCABULARY + 1), means.T @ unit(states))
    assert np.corrcoef(regression(ids, unit(states), VOCABULARY).ravel(), exact.ravel())[0, 1] > 0.98


def test_both_losses_are_nought_for_the_teacher_itself_and_not_for_another():
    wanted = torch.from_numpy(unit(np.random.default_rng(0).normal(size=(9, 5))))
    for loss in (embedding_matching, score_matching):
        assert float(loss(wanted, wanted)) == pytest.approx(0, abs=1e-5)
        assert float(loss(wanted.roll(1, 0), wanted)) > 0.1


def test_equal_seeds_give_equal_students():
    made = [learn(*world(600, 6), VOCABULARY, Schedule(epochs=1, batch=64, seed=3), SHAPE) for _ in range(2)]
    assert all(torch.equal(*pair) for pair in zip(made[0].parameters(), made[1].parameters(), strict=True))


def test_too_few_anchors_and_states_that_are_no_numbers_are_refused():
    ids, states = world(600, 7)
    with pytest.raises(AlignmentRefused, match="at least 512"):
        learn(ids[:300], states[:300], VOCABULARY)
    with pytest.raises(AlignmentRefused, match="NaN"):
        learn(ids, states * np.nan, VOCABULARY)


def test_ids_leave_nought_to_padding():
    class Spelling:
        def __call__(self, inputs, **_):
            return {"input_ids": [[ord(each) - ord("a") for each in text] for text in inputs]}

    assert pieces(Spelling(), ["ab", "", "cad"]).tolist() == [[1, 2, 0], [0, 0, 0], [3, 1, 4]]
