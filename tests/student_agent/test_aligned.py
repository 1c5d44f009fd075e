"""A student with memories: none changes nothing, several compose."""

import torch

from m2kt.neural.models import LanguageModel
from student_agent.aligned import AlignedStudent
from tests.student_agent.parts import PAIRS, SUMS, Taught

TEXTS = torch.randint(2, 12, (6, 9), generator=torch.Generator().manual_seed(0))


def test_without_memories_the_logits_are_the_bare_models_bit_for_bit(student: LanguageModel) -> None:
    with torch.inference_mode():
        bare = student.model(input_ids=TEXTS, use_cache=False).logits
    assert torch.equal(AlignedStudent(student).logits(TEXTS), bare)
    assert torch.equal(AlignedStudent(student).next_logits(TEXTS), bare[:, -1])


def test_logits_at_some_positions_are_those_of_all(student: LanguageModel, addition: Taught) -> None:
    at = torch.tensor([[0, 4, 8]]).expand(6, 3)
    for speaker in (AlignedStudent(student), AlignedStudent(student, (addition.memory,))):
        every = speaker.logits(TEXTS)
        assert torch.allclose(speaker.logits(TEXTS, at), every[:, [0, 4, 8]], atol=1e-5)
        assert torch.allclose(speaker.next_logits(TEXTS), every[:, -1], atol=1e-5)


def test_with_a_memory_probabilities_still_sum_to_one(student: LanguageModel, addition: Taught) -> None:
    logs = AlignedStudent(student, (addition.memory,)).logits(TEXTS)
    assert torch.allclose(logs.exp().sum(-1), torch.ones(6, 9), atol=1e-5)


def test_two_memories_compose_in_either_order(student: LanguageModel, addition: Taught, letters: Taught) -> None:
    prompts = [*SUMS, "p >", "q >", "r >"]
    expected = [*(f" {(a + b) % 3}" for a, b in PAIRS), " q", " r", " p"]
    for memories in ((addition.memory, letters.memory), (letters.memory, addition.memory)):
        assert AlignedStudent(student, memories).write(prompts, 4) == expected


def test_a_memory_leaves_other_text_nearly_as_it_was(student: LanguageModel, addition: Taught) -> None:
    ids = student.tokenizer(["the cat sat", "p > q"], return_tensors=None)["input_ids"]
    for row in ids:
        text = torch.tensor([row])
        bare, with_memory = (
            AlignedStudent(student, memories).logits(text).log_softmax(-1) for memories in ((), (addition.memory,))
        )
        assert torch.allclose(bare, with_memory, atol=1e-3)


def test_a_text_ends_where_the_students_context_ends(student: LanguageModel, other_student: LanguageModel) -> None:
    prompt = " ".join(["the"] * 60)
    (written,) = AlignedStudent(other_student).write([prompt], 96)  # it can hold 64 tokens and never ends by itself
    assert len(written.split()) == 4
