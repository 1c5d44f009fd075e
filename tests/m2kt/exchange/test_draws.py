"""Numbers by place: equal everywhere, different for every place, evenly spread."""

import numpy as np

from m2kt.exchange import draws
from m2kt.exchange.draws import Purpose


def test_the_words_of_all_hosts_are_these() -> None:
    assert draws.words(1, Purpose.BATCH, 2, np.arange(2)).tolist() == GOLDEN


GOLDEN = [1499397190221386047, 14206353533579446342]


def test_every_place_has_its_own_word_whatever_else_is_asked_for() -> None:
    many = draws.words(5, Purpose.AUGMENTATION, 3, np.arange(100)[:, None], np.arange(7))
    assert many.shape == (100, 7)
    assert len(set(many.ravel().tolist())) == 700
    assert many[41, 2] == draws.words(5, Purpose.AUGMENTATION, 3, 41, 2)[0]


def test_seed_purpose_and_round_each_change_all_words() -> None:
    base = draws.words(5, Purpose.BATCH, 3, np.arange(50))
    for other in (draws.words(6, Purpose.BATCH, 3, np.arange(50)), draws.words(5, Purpose.MODEL, 3, np.arange(50))):
        assert not (base == other).any()
    assert not (base == draws.words(5, Purpose.BATCH, 4, np.arange(50))).any()


def test_uniform_numbers_are_below_one_and_evenly_spread() -> None:
    found = draws.uniforms(9, Purpose.AUGMENTATION, np.arange(200)[:, None], np.arange(100))
    assert found.dtype == np.float32
    assert found.min() >= 0
    assert found.max() < 1
    counts = np.histogram(found, bins=10, range=(0, 1))[0]
    assert abs(counts - 2000).max() < 200
    neighbours = np.corrcoef(found[:-1].ravel(), found[1:].ravel())[0, 1]
    assert abs(neighbours) < 0.03
