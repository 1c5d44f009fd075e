"""The losses, by hand."""

from math import log

import pytest
import torch

from student_agent.losses import l_align, l_reason, l_struct


def test_l_align_is_the_mean_squared_difference() -> None:
    read, target = torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.tensor([[1.0, 0.0], [3.0, 0.0]])
    assert float(l_align(read, target)) == pytest.approx((4 + 9) / 4)


def test_l_struct_is_the_squared_distance_of_attentions() -> None:
    pointers, evidence = torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]), torch.tensor([[1.0, 0, 0], [0, 0, 1.0]])
    assert float(l_struct(pointers, evidence)) == pytest.approx((0.25 + 0.25 + 0) / 2)


def test_l_reason_adds_which_where_and_what() -> None:
    class_logits = torch.tensor([[0.6, 0.4], [0.2, 0.8]]).log()
    pointers = torch.tensor([[0.25, 0.75], [0.5, 0.5]])
    said = torch.tensor([[0.9], [0.3]]).log()
    found = l_reason(class_logits, torch.tensor([0, 1]), pointers, torch.tensor([1, 0]), said)
    which, where, what = ([0.6, 0.8], [0.75, 0.5], [0.9, 0.3])
    expected = -sum(log(each) for row in (which, where, what) for each in row) / 2
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_a_pointer_that_sees_nothing_costs_much_and_not_infinity() -> None:
    nothing = l_reason(
        torch.zeros(1, 2), torch.tensor([0]), torch.tensor([[0.0, 1.0]]), torch.tensor([0]), torch.zeros(1)
    )
    assert 20 < float(nothing) < 25
