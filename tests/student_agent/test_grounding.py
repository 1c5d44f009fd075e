"""A teacher and a student that are random linear views of one hidden world: what they share, anchors must find."""

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from m2kt.errors import AlignmentRefused
from m2kt.neural.linear import one_hot, train
from m2kt.packet.anchors import AnchorStates
from m2kt.packet.static import StaticKnowledge
from student_agent.anchoring import distance, fit, relative, require_fit
from student_agent.grounding import ground
from student_agent.head import Direction
from teacher_agent.static import concepts

DIGEST = f"sha256:{'a' * 64}"


@dataclass
class World:
    """Hidden causes; the teacher sees them in 24 dimensions, the student in 16, each with noise of its own."""

    seed: int = 0

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        self.teacher, self.student = rng.normal(size=(8, 24)), rng.normal(size=(8, 16))

    def see(self, count: int, seed: int, scale: float = 1.0) -> tuple[NDArray, NDArray, NDArray]:
        rng = np.random.default_rng(seed)
        causes = rng.normal(size=(count, 8)) * scale
        views = [causes @ each + 0.3 * rng.normal(size=(count, each.shape[1])) for each in (self.teacher, self.student)]
        return (causes[:, 0] > 0).astype(np.int64), views[0].astype(np.float32), views[1].astype(np.float32)


WORLD = World()


@pytest.fixture(scope="module")
def packet() -> tuple[StaticKnowledge, AnchorStates, NDArray]:
    said, states, _ = WORLD.see(1500, 1)
    _, theirs, own = WORLD.see(400, 2)
    return concepts(states, said, ("no", "yes"), 60, 3), AnchorStates("x", DIGEST, "text", "r", theirs), own


@pytest.mark.parametrize("direction", list(Direction))
def test_a_student_learns_the_task_from_concepts_and_anchors(packet, direction):
    knowledge, paired, own = packet
    truth, _, seen = WORLD.see(500, 4)
    found = ground(knowledge, paired, own, direction)
    assert (found.answers(seen) == truth).mean() > (
        0.65 if direction is Direction.RELATIVE else 0.9
    )  # angles differ here
    assert 0.5 < found.report["explained"] < 1


def test_without_a_direction_the_anchors_decide(packet):
    knowledge, paired, own = packet
    there, back = fit(paired.states, own), fit(own, paired.states)
    expected = Direction.TO_STUDENT if there.explained >= back.explained else Direction.TO_TEACHER
    found = ground(knowledge, paired, own)
    assert found.direction is expected
    assert found.report["explained"] == pytest.approx(max(there.explained, back.explained))


def test_the_residual_is_that_of_anchors_which_the_fit_has_not_seen():
    rng = np.random.default_rng(0)
    found = fit(rng.normal(size=(60, 40)), rng.normal(size=(60, 5)))
    assert found.explained < 0.05
    with pytest.raises(AlignmentRefused, match="cross-validated residual"):
        require_fit(found)


def test_shuffled_anchors_are_refused_with_the_figure(packet):
    knowledge, paired, own = packet
    with pytest.raises(AlignmentRefused, match=r"explains -?0\.0"):
        ground(knowledge, paired, np.random.default_rng(1).permutation(own))


def test_anchors_off_the_domain_are_refused_with_the_figure(packet):
    knowledge, paired, _ = packet
    _, theirs, own = WORLD.see(400, 2, scale=0.01)
    off = AnchorStates("noise", DIGEST, "text", "r", theirs + 40)
    with pytest.raises(AlignmentRefused, match="off the domain: the median concept is"):
        ground(knowledge, off, own)
    assert distance(knowledge.centroids, paired.states) < 1.0


def test_other_widths_and_too_few_anchors_are_refused(packet):
    knowledge, paired, own = packet
    with pytest.raises(AlignmentRefused, match="24 wide, anchors 20"):
        ground(knowledge, AnchorStates("x", DIGEST, "text", "r", paired.states[:, :20]), own)
    with pytest.raises(AlignmentRefused, match="at least 10"):
        fit(own[:5], own[:5])
    with pytest.raises(AlignmentRefused, match="NaN"):
        fit(np.full((20, 2), np.nan), np.ones((20, 2)))


def test_a_fit_does_what_ridge_regression_does():
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(80, 6)), rng.normal(size=(80, 3))
    y[:, 0] += x[:, 1]
    found = fit(x, y)
    z = (x - x.mean(0)) / (x.std(0) + 1e-6 * x.std())
    gram = z.T @ z
    slow = np.linalg.solve(gram + found.ridge * np.linalg.eigvalsh(gram).mean() * np.eye(6), z.T @ (y - y.mean(0)))
    assert np.allclose(found.weight, slow)
    assert np.allclose(found(x), z @ slow + y.mean(0))


def test_relative_coordinates_do_not_see_rotation_and_scale():
    rng = np.random.default_rng(6)
    rows, anchors = rng.normal(size=(9, 5)), rng.normal(size=(30, 5))
    turn, _ = np.linalg.qr(rng.normal(size=(5, 5)))
    assert np.allclose(relative(rows, anchors), relative(3 * rows @ turn + 7, 3 * anchors @ turn + 7))


def test_a_head_learns_from_soft_targets():
    rng = np.random.default_rng(7)
    rows = rng.normal(size=(400, 4))
    said = (rows[:, 2] > 0).astype(int)
    assert (train(rows, 0.9 * one_hot(said, 2) + 0.05).answers(rows) == said).mean() > 0.97
