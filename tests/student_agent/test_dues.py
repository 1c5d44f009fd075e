"""What is due is read off the last few tokens where these tell, at any length of text."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from m2kt.neural.models import LanguageModel
from student_agent.batches import Batch, Prober
from student_agent.dues import due_at, learn_window
from student_agent.window import BEFORE, FIRST, UNKNOWN, Window
from tests.student_agent.parts import SUMS, Taught

LENGTH = 24


@dataclass(frozen=True)
class Rendered(Prober):
    """Chains of one length, whose end says by the token at ``tells`` whether a decision is due."""

    tells: int

    def survey(self, count: int, rng: np.random.Generator) -> Iterator[Batch]:
        """Two halves of ``count`` chains: the one ends with a decision."""
        ids = torch.from_numpy(rng.integers(2, 6, (count, LENGTH)))
        ids[:, self.tells] = 1
        yield _ending(ids, 0)
        ids = torch.from_numpy(rng.integers(2, 6, (count, LENGTH)))
        yield _ending(ids, -1)


def _ending(ids: torch.Tensor, due: int) -> Batch:
    last = torch.full((len(ids), 1), LENGTH - 1)
    return Batch(
        ids=ids,
        at=last,
        tokens=last,
        dues=torch.full_like(last, due),
        classes=torch.tensor([0]),
        roles=torch.zeros(len(ids), 1, 1, dtype=torch.long),
    )


def test_the_shortest_window_that_tells_is_taken() -> None:
    assert _tokens(learn_window(Rendered(LENGTH - 2), 2, 64, seed=0)) == 4
    assert _tokens(learn_window(Rendered(LENGTH - 7), 2, 64, seed=0)) == 8


def test_where_no_window_tells_there_is_none() -> None:
    assert learn_window(Rendered(LENGTH - 20), 2, 64, seed=0) is None


def _tokens(window: Window | None) -> int:
    assert window is not None
    return window.tokens


def test_rows_of_the_table_are_those_of_the_tokens_that_stand_there() -> None:
    window = Window(tokens=3, known=3, dues=2)
    window.known.copy_(torch.tensor([4, 7, 9]))
    found = window.numbers(torch.tensor([[9, 5, 4, 7]]), torch.tensor([[0, 1, 3]]))
    assert found.tolist() == [
        [
            [FIRST + 2, BEFORE, BEFORE],
            [UNKNOWN, FIRST + 2, BEFORE],
            [FIRST + 1, FIRST, UNKNOWN],
        ]
    ]


def test_what_is_due_is_marked_at_pieces_of_decisions_alone() -> None:
    ids = torch.zeros(2, LENGTH, dtype=torch.long)
    assert due_at(_ending(ids, 3), 5).tolist() == [[4] * (LENGTH - 1) + [3]] * 2
    assert due_at(_ending(ids, -1), 5).tolist() == [[4] * LENGTH] * 2


def test_a_decision_is_due_where_no_probe_reached(student: LanguageModel, addition: Taught) -> None:
    """The student has learned positions, and its probes ended with the fifth token."""
    memory = addition.memory
    ids = torch.tensor(student.tokenizer([f"{'= ' * 20}{each}" for each in SUMS])["input_ids"])
    at = torch.full((len(ids), 1), ids.shape[1] - 1)
    assert memory.window is not None
    told, logits = memory.window(ids, at)
    assert told.all()
    assert (logits.softmax(-1)[:, 0, 0] > 0.99).all()


def test_in_a_wording_that_no_probe_had_the_states_tell(student: LanguageModel, addition: Taught) -> None:
    memory = addition.memory
    ids = torch.tensor(student.tokenizer([f"= = {each}" for each in SUMS])["input_ids"])
    assert memory.window is not None
    other = next(each for each in range(student.model.config.vocab_size) if each not in memory.window.known)
    ids[:, -2] = other
    at = torch.full((len(ids), 1), ids.shape[1] - 1)
    here = torch.randn(len(ids), 1, memory.shape.states)
    assert torch.equal(memory.due(here, ids, at), memory.classify(here))
