"""The typed view of a knowledge packet refuses every index that points nowhere."""

import numpy as np
import pytest

from m2kt.errors import TensorError
from m2kt.packet.knowledge import Knowledge, from_tensors, to_tensors
from tests.small import LEADS, SYMBOLS, small_knowledge


def read(**changes: np.ndarray | None) -> Knowledge:
    tensors = to_tensors(small_knowledge())
    for key, value in changes.items():
        name = key.replace("__", "/")
        if value is None:
            del tensors[name]
        else:
            tensors[name] = value
    return from_tensors(tensors, SYMBOLS, LEADS)


def test_what_was_written_is_read() -> None:
    found, small = read(), small_knowledge()
    assert found.symbols == small.symbols
    assert np.array_equal(found.centroids, small.centroids)
    assert np.array_equal(found.templates[0].elements, small.templates[0].elements)
    assert found.class_count == 1
    assert found.slots_of(0) == 2


def test_attention_and_bias_may_be_missing() -> None:
    assert read(attention__mean=None).attention is None
    assert not read().anchor_bias.any()


def elements(row: int, column: int, value: int) -> np.ndarray:
    table = small_knowledge().templates[0].elements.copy()
    table[row, column] = value
    return table


@pytest.mark.parametrize(
    "changes",
    [
        {"concepts__centroids": None},
        {"concepts__centroids": np.zeros(9, np.float16)},
        {"concepts__centroids": np.zeros((9, 8), np.int32)},
        {"concepts__centroids": np.zeros((9, 7), np.float16)},
        {"concepts__support": np.zeros(9, np.int32)},
        {"concepts__classes": np.full(9, 5, np.int32)},
        {"concepts__groundings": np.full((9, 2), 5, np.int32)},
        {"concepts__groundings": np.full((9, 2), -1, np.int32)},
        {"concepts__groundings": np.zeros((9, 3), np.int32)},
        {"symbols__strings": np.array([0, 0, 1], np.int32)},
        {"symbols__strings": np.array([0, 1, 99], np.int32)},
        {"graph__elements": elements(0, 0, 9)},
        {"graph__elements": elements(0, 1, 9)},
        {"graph__elements": elements(0, 2, 9)},
        {"graph__elements": elements(2, 0, 2) * np.array([1, 9, 1, 1], np.int32)},
        {"graph__elements": elements(4, 0, 0)},
        {"graph__templates": np.array([[0, 4, 54]], np.int32)},
        {"graph__templates": np.array([[1, 5, 54]], np.int32)},
        {"graph__alphabets": np.zeros((1, 5), np.uint8)},
        {"graph__alphabets": np.ones((1, 4), np.uint8)},
        {"graph__decisions": np.array([[2_000_000_000, 0, 2]], np.int32)},
        {"graph__decisions": np.array([[0, 0, 4]], np.int32)},
        {"graph__decisions": np.array([[0, -1, -1]], np.int32)},
        {"graph__decisions": np.array([[0, -1, 2]], np.int32)},
        {"concepts__classes": np.zeros(8, np.int32)},
        {"graph__choices": np.array([1], np.int32)},
        {"graph__choices": np.array([0, 0], np.int32)},
        {"saliency__swap": np.zeros((1, 4), np.float16)},
        {"attention__mean": np.zeros((2, 5), np.float16)},
    ],
    ids=lambda changes: "-".join(changes),
)
def test_refuses_a_packet_whose_tensors_do_not_fit(changes: dict[str, np.ndarray | None]) -> None:
    with pytest.raises(TensorError):
        read(**changes)
