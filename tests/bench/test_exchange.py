"""The experiments' own parts: a wrong split or a wrong interval would make figures that mean nothing."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bench import exchange
from bench.bikd import arms, images, table
from bench.bikd.augment import Affine
from bench.bikd.experiments import parts_of, run_seed
from bench.bikd.run import read
from bench.bikd.settings import EXPERIMENTS, MAIN
from bench.bikd.statistics import gain
from bench.bikd.students import DESIGNS, make
from m2kt.neural.exchange import run_local
from m2kt.neural.samples import View

ROOT = Path(__file__).parents[2]
TINY = replace(MAIN, designs=("mlp", "mixer"), own=(40, 40), pretraining=(10, 10), rounds=6, batch=8)


def rows_of(part: images.Images) -> set[bytes]:
    return {each.numpy().tobytes() for each in part.inputs}


def test_no_part_of_a_seed_shares_an_image_and_all_seeds_share_their_test() -> None:
    first, second = parts_of(MAIN, 0, "test"), parts_of(MAIN, 1, "test")
    assert rows_of(first.bare) == rows_of(second.bare)
    assert rows_of(first.shared) != rows_of(second.shared)
    parts = [*first.own, first.shared, parts_of(MAIN, 0, "val").bare, first.bare]
    together = set().union(*(rows_of(part) for part in parts))
    assert len(together) == sum(len(rows_of(part)) for part in parts)


def test_test_images_are_never_validation_images() -> None:
    test = rows_of(parts_of(MAIN, 0, "test").bare)
    for seed in range(100, 104):
        assert not test & rows_of(parts_of(MAIN, seed, "val").bare)


@pytest.mark.parametrize("design", DESIGNS)
def test_every_design_gives_logits_and_is_small(design: str) -> None:
    student = make(design, 8, 10, seed=1)
    assert student(torch.zeros(3, 1, 8, 8)).shape == (3, 10)
    assert sum(each.numel() for each in student.parameters()) < 60_000
    if design != "mlp":
        assert make(design, 16, 3, seed=1, dense=True)(torch.zeros(3, 1, 16, 16)).shape == (3, 3, 16, 16)


def test_patches_of_a_dense_answer_stand_where_they_came_from() -> None:
    student = make("mixer", 16, 3, seed=1, dense=True)
    student.blocks = torch.nn.ModuleList()  # type: ignore[union-attr]  # so that no patch sees another
    inputs = torch.zeros(1, 1, 16, 16)
    inputs[0, 0, 4:6, 10:12] = 3
    changed = (student(inputs) - student(torch.zeros(1, 1, 16, 16))).abs().sum((0, 1)) > 1e-6
    assert changed.nonzero().tolist() == [[4, 10], [4, 11], [5, 10], [5, 11]]


def test_without_draws_that_move_it_a_view_is_the_image() -> None:
    inputs = torch.rand(5, 1, 8, 8)
    middle = Affine(noise=0.5)(View(inputs, torch.zeros(5)), torch.full((5, 68), 0.5))
    assert torch.allclose(middle.inputs, inputs, atol=1e-5)


def test_the_two_ways_to_train_peers_together_agree() -> None:
    parts = parts_of(TINY, 0, "val")
    students = arms.students_of(TINY, parts.own, 0, 10)
    samples, plan = arms.samples_of(TINY, parts.shared, parts.classes), arms.plan_of(TINY, 0)
    apart, together = [arms.peers_of(TINY, students, samples, plan) for _ in range(2)]
    run_local(apart, plan)
    arms.joint(together, plan, stop_gradient=True)
    for one, other in zip(apart, together, strict=True):
        for a, b in zip(one.model.parameters(), other.model.parameters(), strict=True):
            assert torch.allclose(a, b, atol=1e-5)


def test_a_seed_gives_the_same_figures_twice() -> None:
    wanted = ("alone", "exchange", "no_task", "no_stop")
    first = run_seed(TINY, 3, wanted, "val")
    assert first == run_seed(TINY, 3, wanted, "val")
    assert sum(first["exchange"]["shares"]) == pytest.approx(1, abs=1e-3)


def test_an_interval_is_student_s() -> None:
    found = gain([0.5, 0.7, 0.9], [0.4, 0.5, 0.6])
    assert found.mean == pytest.approx(0.2)
    assert (found.low, found.high) == pytest.approx((0.2 - 4.302653 * 0.1 / 3**0.5, 0.2 + 4.302653 * 0.1 / 3**0.5))


def row(seed: int, weak: float, strong: float) -> dict[str, object]:
    return {
        "seed": seed,
        "before": {"views": [0.5, 0.8]},
        "alone": {"views": [0.6, 0.85]},
        "exchange": {"views": [0.6 + weak, 0.85 + strong], "shares": [0.2, 0.8]},
        "no_task": {"views": [0.4, 0.84]},
    }


def test_figures_tell_the_weaker_from_the_stronger_peer() -> None:
    found = exchange.figures([row(0, 0.02, 0.0), row(1, 0.04, -0.001)])
    assert (found["seeds"], found["weak_gain_mean"], found["strong_gain_mean"]) == (2, 0.03, -0.0005)
    assert found["no_task_loss_gain"] == pytest.approx(-0.01), "the one that lost less"
    assert found["mask_share_min"] == 0.2


def test_the_page_s_tables_are_those_of_the_figures_beside_it() -> None:
    page = (ROOT / "docs/exchange.md").read_text()
    assert table.replaced(page, table.tables(read(ROOT / "docs/exchange-results.jsonl"))) == page


def test_every_kept_row_is_of_a_known_experiment_and_seed() -> None:
    rows = read(ROOT / "docs/exchange-results.jsonl")
    assert len({(each["experiment"], each["seed"]) for each in rows}) == len(rows)
    assert all(each["seed"] < EXPERIMENTS[each["experiment"]].seeds for each in rows)


@pytest.mark.vision
def test_held_out_mosaics_show_pixels_that_no_training_mosaic_has() -> None:
    pytest.importorskip("skimage")
    pytest.importorskip("PIL")
    train, test = images.mosaics(300, 1, "train"), images.mosaics(300, 1, "test")
    assert train.labels.shape == (300, 16, 16)
    assert {int(each) for each in train.labels.unique()} == {0, 1, 2}
    values = images.textures()
    upper, lower = set(values[:, :128].flatten().tolist()), set(values[:, 192:].flatten().tolist())
    assert set(train.inputs.flatten().tolist()) <= upper
    assert set(test.inputs.flatten().tolist()) <= lower
    assert np.isfinite(train.inputs.numpy()).all()
