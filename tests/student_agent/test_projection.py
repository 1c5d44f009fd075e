"""The linear CAL in closed form."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from m2kt.errors import AlignmentRefused
from m2kt.neural.models import LanguageModel, load
from m2kt.packet import controls
from m2kt.packet.knowledge import Knowledge
from student_agent.projection import RIDGE, Projection, head_rows, keep_shared, project, ridge, share_anchors
from student_agent.vocabulary import Spellings, Vocabulary, learn_vocabulary
from tests.models import tiny_student
from tests.small import negated_knowledge, next_knowledge, small_knowledge
from tests.student_agent.parts import PAIRS

TWENTY = tuple(f"w{n}" for n in range(20))


def projected(lm: LanguageModel, knowledge: Knowledge) -> Projection:
    return project(lm, knowledge, share_anchors(knowledge, learn_vocabulary(knowledge, lm.tokenizer, 0)))


def test_ridge_is_least_squares_of_the_regularised_system() -> None:
    torch.manual_seed(0)
    weight, target = torch.randn(7, 12).double(), torch.randn(5, 7).double()
    lam = RIDGE * (weight**2).sum() / 12
    system = torch.cat([weight, lam.sqrt() * torch.eye(12).double()])
    padded = torch.cat([target.T, torch.zeros(12, 5).double()])
    assert torch.allclose(ridge(weight, target), torch.linalg.lstsq(system, padded).solution.T, atol=1e-10)


def test_every_concept_keeps_its_symbol(student: LanguageModel) -> None:
    found = projected(student, small_knowledge())
    assert found.answers.tolist() == [(a + b) % 3 for a, b in PAIRS]
    assert found.agreement == 1.0
    assert found.residual < 0.01


def test_values_read_through_the_student_give_the_teachers_logits(student: LanguageModel) -> None:
    knowledge = small_knowledge()
    found = projected(student, knowledge)
    weight, bias = head_rows(student, [variants[0] for variants in found.anchors.spellings])
    read = found.values.double() @ weight.T + bias
    said = torch.from_numpy(knowledge.centroids.astype(np.float64) @ knowledge.anchors.astype(np.float64).T)
    assert torch.allclose(read - read.mean(1, keepdim=True), said - said.mean(1, keepdim=True), atol=0.02)


def test_a_bias_on_either_side_belongs_to_the_symbol(student: LanguageModel) -> None:
    small = small_knowledge()
    biased = Knowledge(**{**vars(small), "anchor_bias": np.array([0, 9, 0], np.float32)})
    assert projected(student, biased).answers.tolist() == [1] * 9
    head = nn.Linear(32, student.head.out_features)
    head.weight = student.head.weight
    torch.nn.init.normal_(head.bias)
    assert projected(_with_head(student, head), small).answers.tolist() == controls.decoded(small).tolist()


class _Headed:
    """A model whose unembedding is another."""

    def __init__(self, model: nn.Module, head: nn.Linear) -> None:
        self._model, self._head = model, head

    def get_output_embeddings(self) -> nn.Linear:
        return self._head


def _with_head(lm: LanguageModel, head: nn.Linear) -> LanguageModel:
    return LanguageModel(_Headed(lm.model, head.requires_grad_(False)), lm.tokenizer, lm.device, lm.directory)


def test_concepts_of_all_classes_are_mapped(student: LanguageModel, tmp_path: Path) -> None:
    knowledge = negated_knowledge()
    lm = load(tiny_student(tmp_path, knowledge.symbols))
    assert projected(lm, knowledge).answers[9:].tolist() == [0, 2, 1]


def test_too_narrow_a_student_is_refused_with_the_figure(tmp_path: Path) -> None:
    knowledge = next_knowledge(TWENTY)
    wide, narrow = (load(tiny_student(tmp_path / str(width), knowledge.symbols, width=width)) for width in (32, 2))
    assert projected(wide, knowledge).agreement == 1.0
    with pytest.raises(AlignmentRefused, match=r"only 0\.\d\d of the concepts .* 2 dimensions \(20 symbols compete"):
        projected(narrow, knowledge)


@pytest.mark.parametrize("shared", [0, 1])
def test_fewer_than_two_shared_symbols_are_refused(shared: int) -> None:
    decided: Spellings = {symbol: Counter([(symbol,)]) for symbol in range(shared)}
    with pytest.raises(AlignmentRefused, match=f"share {shared} of 3 symbols"):
        share_anchors(small_knowledge(), Vocabulary(decided, decided, (0,), 1.0))


def test_anchors_name_the_commonest_spelling_first() -> None:
    decided: Spellings = {0: Counter({(5,): 1, (6, 4): 9}), 2: Counter([(7,)])}
    found = share_anchors(small_knowledge(), Vocabulary(decided, decided, (0,), 1.0))
    assert found.strings == (0, 2)
    assert found.spellings == (((6, 4), (5,)), ((7,),))
    assert found.rows == (0, 2)
    assert found.pieces == 2


def test_a_symbol_of_several_tokens_is_read_by_the_mean_of_their_rows(student: LanguageModel) -> None:
    rows, _ = head_rows(student, [(2,), (3, 4)])
    weight = student.head.weight.double()
    assert torch.allclose(rows, torch.stack([weight[2], (weight[3] + weight[4]) / 2]))


def test_concepts_whose_symbol_the_student_cannot_write_are_left_out() -> None:
    decided: Spellings = {0: Counter([(5,)]), 2: Counter([(7,)])}
    small = small_knowledge()
    kept = keep_shared(small, share_anchors(small, Vocabulary(decided, decided, (0,), 1.0)))
    assert kept.groundings.tolist() == [list(pair) for pair in PAIRS if sum(pair) % 3 != 1]
    assert kept.numbers is not None
    assert kept.numbers.tolist() == [each for each, pair in enumerate(PAIRS) if sum(pair) % 3 != 1]
    assert len(kept.centroids) == len(kept.support) == len(kept.classes) == 6
