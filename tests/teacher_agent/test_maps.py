"""Saliency and attention by element, and how far each points at the true roles."""

import numpy as np
import pytest
import torch

from m2kt.neural.models import LanguageModel
from teacher_agent.extract import Extraction
from teacher_agent.maps import attention_map, gradient_map
from teacher_agent.shapes import Shape
from tests.teacher_agent.parts import SWAP


@pytest.fixture(scope="module")
def shape(shapes: list[Shape]) -> Shape:
    """Three operands, two decisions."""
    return next(each for each in shapes if each.prompt == 6)


def test_rows_of_both_maps_sum_to_one(teacher: LanguageModel, shape: Shape) -> None:
    attention = attention_map(teacher, shape)
    assert attention is not None
    for table in (gradient_map(teacher, shape), attention):
        assert table.shape == (2, 17)
        assert np.allclose(table.sum(1), 1)
        assert (table >= 0).all()


def test_no_map_looks_past_the_deciding_position(teacher: LanguageModel, shape: Shape) -> None:
    attention = attention_map(teacher, shape)
    assert attention is not None
    for table in (gradient_map(teacher, shape), attention):
        for row, position in enumerate(shape.decisions):
            assert not table[row, position:].any()


def test_maps_leave_no_gradient_and_the_attention_as_it_was(teacher: LanguageModel, shape: Shape) -> None:
    ids = torch.from_numpy(shape.tokens[:2])
    before = teacher.model(input_ids=ids).logits
    gradient_map(teacher, shape)
    attention_map(teacher, shape)
    assert torch.equal(teacher.model(input_ids=ids).logits, before)
    assert all(each.grad is None for each in teacher.model.parameters())


def test_role_slots_stand_out_in_the_packets_swap_evidence(found: Extraction) -> None:
    knowledge = found.knowledge
    for row, (_, *elements) in enumerate(knowledge.decisions.tolist()):
        others = np.delete(knowledge.swap[row], elements)
        assert knowledge.swap[row, elements].min() > SWAP.threshold
        assert others.max() < 0.1


def test_every_map_of_the_packet_is_normalised(found: Extraction) -> None:
    knowledge = found.knowledge
    assert knowledge.attention is not None
    for table in (knowledge.gradient, knowledge.attention):
        assert np.allclose(table.astype(np.float64).sum(1), 1, atol=5e-3)
