"""Control packets keep everything but the one thing that they take away."""

from collections.abc import Callable

import numpy as np
import pytest

from m2kt.packet import controls, ledger
from m2kt.packet.knowledge import Knowledge, from_tensors, to_tensors
from tests.small import LEADS, SYMBOLS, negated_knowledge, next_knowledge, packet_of, small_knowledge

CONTROLS: dict[str, Callable[[Knowledge], Knowledge]] = {
    "shuffled": lambda knowledge: controls.shuffled(knowledge, 3),
    "random": lambda knowledge: controls.random(knowledge, 3),
    "answers_only": controls.answers_only,
}


def test_concepts_decode_to_the_anchor_with_the_highest_logit() -> None:
    assert controls.decoded(small_knowledge()).tolist() == [(a + b) % 3 for a in range(3) for b in range(3)]
    assert controls.decoded(negated_knowledge())[9:].tolist() == [0, 2, 1]
    biased = Knowledge(**{**vars(small_knowledge()), "anchor_bias": np.array([0, 0, 99], np.float32)})
    assert controls.decoded(biased).tolist() == [2] * 9


def test_shuffling_keeps_the_rows_and_moves_them() -> None:
    real, dealt = small_knowledge().centroids, controls.shuffled(small_knowledge(), 3).centroids
    assert sorted(real.tolist()) == sorted(dealt.tolist())
    assert not np.array_equal(real, dealt)


def test_random_vectors_keep_mean_and_spread_of_every_coordinate() -> None:
    rng = np.random.default_rng(0)
    centroids = (rng.normal(size=(1000, 8)) * np.arange(1, 9) + np.arange(8)).astype(np.float32)
    real = Knowledge(**{**vars(small_knowledge()), "centroids": centroids})
    drawn = controls.random(real, 1).centroids
    assert drawn.dtype == np.float32
    assert np.allclose(drawn.mean(0), centroids.mean(0), atol=0.12 * centroids.std(0))
    assert np.allclose(drawn.std(0), centroids.std(0), rtol=0.1)
    assert abs(np.corrcoef(drawn[:, 0], centroids[:, 0])[0, 1]) < 0.15


@pytest.mark.parametrize("control", [controls.shuffled, controls.random])
def test_equal_seeds_give_equal_controls(control: Callable[[Knowledge, int], Knowledge]) -> None:
    first, again, other = (control(small_knowledge(), seed).centroids for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("knowledge", [small_knowledge(), negated_knowledge(), next_knowledge()])
def test_answers_only_decodes_to_the_same_symbols_and_holds_no_geometry(knowledge: Knowledge) -> None:
    answers = controls.answers_only(knowledge)
    assert np.array_equal(controls.decoded(answers), controls.decoded(knowledge))
    assert len(np.unique(answers.centroids, axis=0)) == len(np.unique(controls.decoded(knowledge)))
    assert np.array_equal(answers.anchors, np.eye(len(knowledge.anchors)))
    assert not answers.dispersion.any()


def test_the_answers_column_counts_as_labels() -> None:
    answers = controls.answers_only(small_knowledge())
    column = answers.anchor_strings[controls.decoded(answers)]
    packet = packet_of(answers, planted={"concepts/answers": column})
    assert packet.manifest.ledger["labels_moved"] == 9
    assert ledger.compute(packet) == dict(packet.manifest.ledger)
    assert packet_of(answers).manifest.ledger["labels_moved"] == 0


@pytest.mark.parametrize("name", CONTROLS)
def test_everything_else_stays_and_the_packet_is_well_formed(name: str) -> None:
    real = small_knowledge()
    control = CONTROLS[name](real)
    from_tensors(to_tensors(control), SYMBOLS, LEADS)
    changed = {"centroids", "dispersion", "anchors", "anchor_bias"} if name == "answers_only" else {"centroids"}
    for field in set(vars(real)) - changed - {"templates"}:
        assert np.array_equal(getattr(control, field), getattr(real, field)), field
    assert control.templates == real.templates or np.array_equal(
        control.templates[0].elements, real.templates[0].elements
    )


def test_a_rebuilt_packet_says_the_same_of_itself_and_counts_anew() -> None:
    packet = packet_of(small_knowledge())
    same = controls.rebuilt(packet, controls.shuffled(small_knowledge(), 3))
    assert (same.manifest.name, same.manifest.teacher) == (packet.manifest.name, packet.manifest.teacher)
    assert same.packet_id != packet.packet_id
    assert dict(same.manifest.ledger) == ledger.compute(same)
    told = controls.rebuilt(packet, small_knowledge(), name="control/answers", answers=True)
    assert told.manifest.name == "control/answers"
    assert (same.manifest.ledger["labels_moved"], told.manifest.ledger["labels_moved"]) == (0, 9)
