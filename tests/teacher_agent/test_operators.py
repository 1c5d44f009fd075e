"""The three extraction operators: what each makes of decision states, and that none holds more for more probes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from m2kt.errors import ExtractionRefused, ModelError
from m2kt.neural.models import LanguageModel
from m2kt.packet import controls
from m2kt.packet.knowledge import Knowledge
from teacher_agent import extract as extraction
from teacher_agent.bottleneck import Bottleneck, train
from teacher_agent.build import build
from teacher_agent.clustering import Clustering, k_means, nearest
from teacher_agent.concepts import Concepts, Key, Sums
from teacher_agent.extract import Extraction, extract
from teacher_agent.label import Label
from teacher_agent.reservoir import LEAST, Reservoir
from teacher_agent.settings import Operator, Settings
from tests.teacher_agent.parts import SHORT_SETTINGS, ShortChains, silent

WIDTH = 12
KEYS: list[Key] = [(n % 2, (n,)) for n in range(20)]


def blobs(count: int, seed: int = 0) -> tuple[list[Key], np.ndarray]:
    """States of 20 facts around 4 centres: fact n belongs to centre n % 4."""
    centres = np.random.default_rng(9).normal(size=(4, WIDTH)) * 5
    rng = np.random.default_rng(seed)
    facts = rng.integers(20, size=count)
    return [KEYS[n] for n in facts], centres[facts % 4] + rng.normal(size=(count, WIDTH)) * 0.1


def shown(operator: Sums | Clustering | Bottleneck, count: int = 2000, batch: int = 128) -> Concepts:
    keys, states = blobs(count)
    for start in range(0, count, batch):
        part = states[start : start + batch]
        operator.add(keys[start : start + batch], part, part)
    return operator.concepts(5, 100)


# The parts


def test_a_reservoir_is_a_uniform_sample_of_bounded_size() -> None:
    sample = Reservoir(70_000, 1)  # so wide that only the least number of rows fits
    sample._rows = np.empty((LEAST, 1), np.float32)
    for start in range(0, 50_000, 500):
        sample.add(np.arange(start, start + 500.0)[:, None])
    assert sample.rows.shape == (LEAST, 1)
    assert len(np.unique(sample.rows)) == LEAST
    shares = np.histogram(sample.rows, bins=5, range=(0, 50_000))[0] / LEAST
    assert np.abs(shares - 0.2).max() < 0.04


def test_a_reservoir_that_is_not_full_holds_everything_in_order() -> None:
    sample = Reservoir(2, 1)
    sample.add(np.arange(20.0).reshape(10, 2))
    assert sample.rows.ravel().tolist() == list(range(20))


def test_k_means_finds_the_centres_that_are_there_from_equal_seeds_alike() -> None:
    _, states = blobs(3000)
    rows = states.astype(np.float32)
    centres = k_means(rows, 4, 3)
    assert np.allclose(
        sorted(centres[:, 0]), sorted(rows[nearest(rows, centres) == n, 0].mean() for n in range(4)), atol=0.1
    )
    assert np.array_equal(centres, k_means(rows, 4, 3))
    assert len(k_means(np.repeat(rows[:3], 50, axis=0), 8, 3)) == 3  # no more centres than there are points


def test_the_dictionary_reads_out_what_a_sparse_code_holds() -> None:
    rng = np.random.default_rng(0)
    atoms = rng.normal(size=(10, WIDTH))
    codes = rng.random((3000, 10)) * (rng.random((3000, 10)) < 0.15)
    states = torch.from_numpy((codes @ atoms).astype(np.float32))
    dictionary = train(states, states, 40, 4, 0)
    with torch.inference_mode():
        error = (dictionary(states) - states).pow(2).sum() / (states - states.mean(0)).pow(2).sum()
        assert float(error) < 0.1
        code = dictionary.code(states)
        assert int((code > 0).sum(1).max()) <= 4
        assert bool((code >= 0).all())


# What they make of states


def test_clusters_share_one_vector_and_it_is_the_mean_of_all_their_states() -> None:
    keys, states = blobs(2000)
    found = shown(Clustering(WIDTH, WIDTH, -1, 4, 0))
    assert len(np.unique(found.centroids, axis=0)) == 4
    belongs = np.array([key[1][0] % 4 for key in keys])
    for key, centroid, spread in zip(found.keys, found.centroids, found.dispersion, strict=True):
        assert np.allclose(centroid, states[belongs == key[1][0] % 4].mean(0), atol=1e-4)
        own = states[[each == key for each in keys]]
        assert spread == pytest.approx(float(np.sqrt(((own - centroid) ** 2).sum(1).mean())), rel=1e-3)


def test_groundings_supports_and_order_are_those_of_attribution() -> None:
    plain = shown(Sums(WIDTH))
    for other in (shown(Clustering(WIDTH, WIDTH, -1, 4, 0)), shown(Bottleneck(WIDTH, WIDTH, -1, 32, 4, 0))):
        assert other.keys == plain.keys
        assert np.array_equal(other.support, plain.support)
        assert (other.covered, other.seen) == (plain.covered, plain.seen)
        assert np.array_equal(other.own, plain.centroids)


def test_the_bottleneck_lets_the_mean_through_and_counts_what_it_does_not_as_spread() -> None:
    wide, narrow = (shown(Bottleneck(WIDTH, WIDTH, -1, atoms, active, 0)) for atoms, active in ((32, 8), (1, 1)))
    assert np.linalg.norm(wide.centroids - wide.own, axis=1).max() < 1
    assert np.median(narrow.dispersion) > 3 * wide.dispersion.max()


@pytest.mark.parametrize(
    "make", [lambda: Clustering(WIDTH, WIDTH, -1, 4, 0), lambda: Bottleneck(WIDTH, WIDTH, -1, 32, 4, 0)]
)
def test_the_same_states_give_the_same_concepts(make: object) -> None:
    first, again = shown(make()), shown(make())  # type: ignore[operator]
    assert first.centroids.tobytes() == again.centroids.tobytes()


def test_an_operator_holds_no_more_for_more_states() -> None:
    for make in (lambda: Sums(WIDTH), lambda: Clustering(WIDTH, WIDTH, -1, 4, 0)):
        few, many = make(), make()
        shown(few, 2000)
        shown(many, 40_000, 1000)
        for one, other in zip(arrays(few), arrays(many), strict=True):
            assert one.nbytes == other.nbytes


def arrays(operator: Sums | Clustering) -> list[np.ndarray]:
    """Every array that an operator keeps."""
    if isinstance(operator, Sums):
        return [operator.total, operator.squares]
    return [*arrays(operator._heads), *arrays(operator._inner), operator._sample._rows]


# In an extraction


def short(teacher: LanguageModel, **changes: object) -> Extraction:
    return extract(teacher, ShortChains(), replace(SHORT_SETTINGS, **changes), silent)  # type: ignore[arg-type]


def answers(knowledge: Knowledge) -> dict[tuple[int, ...], str]:
    said = knowledge.anchor_strings[controls.decoded(knowledge)]
    return {
        tuple(grounding): knowledge.symbols[symbol]
        for grounding, symbol in zip(knowledge.groundings.tolist(), said, strict=True)
    }


@pytest.fixture(scope="module")
def plain(teacher: LanguageModel) -> Extraction:
    return short(teacher)


@pytest.mark.parametrize(
    "changes",
    [
        {"operator": Operator.CLUSTERING, "clusters": 48},
        {"operator": Operator.CLUSTERING, "clusters": 48, "layer": 3},
        {"operator": Operator.BOTTLENECK, "atoms": 128, "layer": 3},
        pytest.param({"operator": Operator.BOTTLENECK, "atoms": 128}, marks=pytest.mark.nightly),
    ],
    ids=str,
)
def test_every_operator_says_what_the_teacher_decides(
    teacher: LanguageModel, plain: Extraction, changes: dict[str, object]
) -> None:
    found = short(teacher, **changes)
    wanted, said = answers(plain.knowledge), answers(found.knowledge)
    assert said.keys() == wanted.keys()
    assert sum(said[key] == wanted[key] for key in said) / len(said) == pytest.approx(
        found.coverage["symbols"], abs=0.01
    )
    assert found.coverage["symbols"] > 0.95
    vectors = round(found.coverage["vectors"] * len(said))
    assert vectors <= 48 if changes["operator"] == Operator.CLUSTERING else vectors > 48


def test_vectors_that_say_other_symbols_than_the_teacher_are_refused(teacher: LanguageModel) -> None:
    """Three clusters cannot hold sixteen digits."""
    with pytest.raises(ExtractionRefused, match=r"0\.\d\d of the teacher's concepts' symbols, below the floor of 0\.8"):
        short(teacher, operator=Operator.CLUSTERING, clusters=3)


def test_a_layer_that_the_teacher_does_not_have_is_refused_before_it_is_asked(teacher: LanguageModel) -> None:
    with pytest.raises(ModelError, match="no hidden layer 9"):
        short(teacher, operator=Operator.CLUSTERING, layer=9)


@pytest.mark.parametrize("operator", list(Operator))
def test_the_manifest_names_the_operator_and_its_settings(
    teacher: LanguageModel, plain: Extraction, operator: Operator
) -> None:
    settings = Settings(operator=operator, layer=2, clusters=7)
    record = build(teacher, ShortChains(), settings, plain, Label("tests/chains", "1.0.0")).manifest.extraction
    assert record.operator == str(operator)
    assert (record.settings["layer"], record.settings["clusters"], record.seed) == (2, 7, 1)
    assert "operator" not in record.settings


# Streaming


def test_probes_beyond_the_survey_stream_into_the_same_concepts(teacher: LanguageModel, plain: Extraction) -> None:
    streamed = short(teacher, surveyed=160)
    assert streamed.coverage["chains"] == plain.coverage["chains"] == 1.0
    assert answers(streamed.knowledge).items() <= answers(plain.knowledge).items()
    assert streamed.knowledge.support.sum() >= 0.98 * plain.knowledge.support.sum()
    assert len(streamed.knowledge.centroids) >= 0.98 * len(plain.knowledge.centroids)


def test_a_survey_reads_no_more_probes_than_it_is_told(teacher: LanguageModel) -> None:
    found = extraction.survey(teacher, ShortChains(), replace(SHORT_SETTINGS, surveyed=160), silent)
    assert found.corpus.asked == 160
