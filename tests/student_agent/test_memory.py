"""The concept memory against a reference that reads it loop by loop."""

from copy import deepcopy
from math import exp, log

import pytest
import torch
from torch import Tensor

from m2kt.neural.forward import layer_states
from m2kt.neural.models import LanguageModel
from student_agent.memory import DISTANCES, EPSILON, MOST, ConceptMemory, Readout, Shape, trained_parameters
from tests.student_agent.parts import Taught

VOCABULARY = 9
SPELLINGS = [((1,), 0), ((4,), 0), ((2,), 1), ((3,), 2), ((8, 3), 1)]  # tokens 1 and 4 spell one symbol; 8 3 is another
ANCHORS = (((1,), (4, 6)), ((2, 5),), ((2, 5, 7), (8,)))  # the second may end where the third goes on
SHAPE = Shape(
    states=6,
    width=4,
    concepts=5,
    slots=2,
    classes=2,
    pointers=3,
    anchors=3,
    variants=2,
    pieces=3,
    symbols=3,
    spellings=len(SPELLINGS),
    longest=2,
    key=5,
)


@pytest.fixture(scope="module")
def memory() -> ConceptMemory:
    """Random weights; class 0 has two slots (pointers 0, 1), class 1 has one (pointer 2)."""
    torch.manual_seed(3)
    memory = ConceptMemory(SHAPE).requires_grad_(False)
    memory.distance.copy_(torch.randn(3, DISTANCES))
    memory.values.copy_(torch.randn(5, 4))
    memory.grounded.copy_(torch.tensor([[0, 1], [2, 0], [1, 1], [0, 3], [2, 3]]))
    memory.pointer_of.copy_(torch.tensor([[0, 1], [0, 1], [0, 1], [2, 3], [2, 3]]))
    memory.classes.copy_(torch.tensor([0, 0, 0, 1, 1]))
    memory.spotter.fill(SPELLINGS)
    memory.speller.fill(ANCHORS)
    memory.head.copy_(torch.randn(3, 4))
    memory.head_bias.copy_(torch.randn(3))
    return memory


@pytest.fixture(scope="module")
def text() -> tuple[Tensor, Tensor, Tensor]:
    """States (2, 8, 6), ids (2, 8) and positions (2, 3)."""
    torch.manual_seed(4)
    ids = torch.tensor([[2, 1, 8, 3, 4, 2, 5, 4], [6, 2, 2, 5, 1, 4, 3, 0]])
    return torch.randn(2, 8, 6), ids, torch.tensor([[0, 6, 7], [2, 3, 5]])


def slow_pointer(memory: ConceptMemory, states: Tensor, at: int, pointer: int) -> list[float]:
    """Attention of one pointer at one position of one text."""
    query = memory.query(states[at]).view(SHAPE.pointers, SHAPE.key)[pointer]
    scores = [
        float(query @ memory.key(states[place])) / SHAPE.key**0.5 + float(memory.distance[pointer, at - place])
        for place in range(at + 1)
    ]
    total = sum(exp(score) for score in scores)
    return [exp(score) / total for score in scores] + [0.0] * (len(states) - at - 1)


def slow_symbol(ids: list[int], place: int) -> int:
    """The symbol that ends at a token, the longest spelling first; 3 for none."""
    for variant, symbol in sorted(SPELLINGS, key=lambda each: -len(each[0])):
        if tuple(ids[: place + 1][-len(variant) :]) == variant:
            return symbol
    return SHAPE.symbols


def slow_weights(memory: ConceptMemory, states: Tensor, ids: Tensor, at: int, piece: int) -> list[float]:
    """Weight of every concept at one position of one text, if its decision's ``piece`` is due there."""
    dues = memory.classify(states[at]).softmax(-1).tolist()
    weights = []
    for concept in range(SHAPE.concepts):
        weight = dues[int(memory.classes[concept]) * SHAPE.pieces + piece]
        for slot in range(SHAPE.slots):
            symbol, pointer = int(memory.grounded[concept, slot]), int(memory.pointer_of[concept, slot])
            if symbol < SHAPE.symbols:
                attention = slow_pointer(memory, states, at, pointer)
                here = [slow_symbol(ids.tolist(), place) == symbol for place in range(len(ids))]
                weight *= EPSILON + sum(a for a, it in zip(attention, here, strict=True) if it)
        weights.append(weight)
    return weights


def slow_read(memory: ConceptMemory, weights: list[float]) -> Tensor:
    """The weighted value through the head."""
    value = sum((w * memory.values[n] for n, w in enumerate(weights)), torch.zeros(SHAPE.width))
    return memory.head @ (value / (sum(weights) + EPSILON)) + memory.head_bias


def slow_variants(ids: Tensor, at: int, piece: int, longer: bool) -> list[list[tuple[int, ...]]]:
    """Variants of every anchor whose first ``piece`` tokens were just written; ``longer``: those that go on."""
    written = tuple(ids[: at + 1].tolist())[-piece:] if piece else ()
    return [[v for v in variants if v[:piece] == written and len(v) >= piece + longer] for variants in ANCHORS]


def slow_going_on(anchor_logits: Tensor, ids: Tensor, at: int, piece: int) -> float:
    """Of the anchors that were begun, the share that has a next piece."""
    chances: list[float] = anchor_logits.softmax(-1).tolist()
    begun, fits = (
        sum(c for c, found in zip(chances, slow_variants(ids, at, piece, longer), strict=True) if found)
        for longer in (False, True)
    )
    return fits / (begun + EPSILON)


def slow_mix(found: Readout, row: int, place: int, ids: Tensor, at: int, logits: Tensor) -> list[float]:
    """Probabilities of all tokens at one position."""
    own = logits.softmax(-1).tolist()
    weights = found.weight[row, place].tolist()
    mixed = [(1 - sum(weights)) * each for each in own]
    for piece, weight in enumerate(weights):
        variants = slow_variants(ids, at, piece, True)
        fitting = [n for n, each in enumerate(variants) if each]
        chances = torch.tensor([float(found.anchor_logits[row, place, piece, n]) for n in fitting]).softmax(-1)
        for anchor, chance in zip(fitting, chances.tolist(), strict=True):
            tokens = [variant[piece] for variant in variants[anchor]]
            for token in tokens:
                mixed[token] += weight * chance * own[token] / sum(own[each] for each in tokens)
    return mixed


def test_symbols_are_spotted_by_their_longest_spelling(memory: ConceptMemory) -> None:
    torch.manual_seed(0)
    ids = torch.randint(0, VOCABULARY, (6, 30))
    slow = [[slow_symbol(row.tolist(), place) for place in range(30)] for row in ids]
    assert memory.spotter(ids).tolist() == slow
    assert memory.spotter(torch.tensor([[8, 3, 3]])).tolist() == [[3, 1, 2]]


def test_reading_equals_the_slow_reference(memory: ConceptMemory, text: tuple[Tensor, Tensor, Tensor]) -> None:
    states, ids, at = text
    found = memory(states, ids, at)
    for row in range(2):
        for place, position in enumerate(at[row].tolist()):
            for pointer in range(SHAPE.pointers):
                slow = torch.tensor(slow_pointer(memory, states[row], position, pointer))
                assert torch.allclose(found.pointers[row, place, pointer], slow, atol=1e-5)
            for piece in range(SHAPE.pieces):
                weights = slow_weights(memory, states[row], ids[row], position, piece)
                read = slow_read(memory, weights)
                assert torch.allclose(found.anchor_logits[row, place, piece], read, atol=1e-4)
                expected = sum(weights) * slow_going_on(read, ids[row], position, piece)
                assert float(found.weight[row, place, piece]) == pytest.approx(expected, rel=1e-3, abs=1e-12)


def test_mixing_equals_the_slow_reference(memory: ConceptMemory, text: tuple[Tensor, Tensor, Tensor]) -> None:
    _, ids, at = text
    found = memory(*text)
    logits = torch.randn(2, 3, VOCABULARY)
    mixed = memory.mix(found, logits).exp()
    for row in range(2):
        for place, position in enumerate(at[row].tolist()):
            slow = slow_mix(found, row, place, ids[row], position, logits[row, place])
            assert torch.allclose(mixed[row, place], torch.tensor(slow), atol=1e-6)


def test_a_symbol_that_was_spelled_out_is_not_spelled_on(memory: ConceptMemory) -> None:
    ids = torch.tensor([[0, 2, 5, 7]])
    begun, fits = memory.speller.begun(ids, torch.tensor([[1, 2, 3]]))
    assert fits[0, 0, :, :, 1].tolist() == [[False, False], [True, False], [True, False]]  # after 2: 5 follows
    assert fits[0, 1, :, :, 2].tolist() == [[False, False], [False, False], [True, False]]  # after 2 5: only 7
    assert begun[0, 1, :, :, 2].tolist() == [[False, False], [True, False], [True, False]]
    assert not bool(fits[0, 2, :, :, 1:].any())


def first_piece(memory: ConceptMemory, weight: float, size: tuple[int, int]) -> Readout:
    """A read-out that gives ``weight`` to the first piece of something."""
    weights = torch.zeros(*size, SHAPE.pieces)
    weights[..., 0] = weight
    ids, at = torch.zeros(size[0], 1, dtype=torch.long), torch.zeros(size, dtype=torch.long)
    fits = memory.speller.begun(ids, at)[1]
    return Readout(torch.zeros(0), torch.zeros(0), weights, torch.randn(*size, SHAPE.pieces, 3), fits)


@pytest.mark.parametrize("weight", [0.0, 1e-6, 0.5, MOST])
def test_probabilities_sum_to_one(memory: ConceptMemory, weight: float) -> None:
    mixed = memory.mix(first_piece(memory, weight, (2, 3)), 10 * torch.randn(2, 3, VOCABULARY))
    assert torch.allclose(mixed.exp().sum(-1), torch.ones(2, 3), atol=1e-5)
    assert bool(mixed.isfinite().all())


def test_a_memory_that_is_wholly_sure_leaves_every_token_possible_and_every_gradient_finite(
    memory: ConceptMemory, text: tuple[Tensor, Tensor, Tensor]
) -> None:
    sure = deepcopy(memory).requires_grad_(True)
    last = sure.classify[2]
    assert isinstance(last, torch.nn.Linear)
    torch.nn.init.constant_(last.weight, 0.0)
    last.bias.data = torch.tensor([-40.0] * 3 + [40.0] + [-40.0] * 3)  # class 1, its first piece
    states, _, at = text
    readout = sure(states, torch.ones(2, 8, dtype=torch.long), at)  # one text of nothing but the grounding
    mixed = sure.mix(readout, torch.randn(2, 3, VOCABULARY))
    torch.autograd.backward(mixed[..., 1].sum())
    assert bool(mixed.isfinite().all())
    assert all(bool(each.grad.isfinite().all()) for each in sure.parameters() if each.grad is not None)


def test_without_weight_the_student_speaks_for_itself(memory: ConceptMemory) -> None:
    logits = torch.randn(1, 1, VOCABULARY)
    assert torch.allclose(memory.mix(first_piece(memory, 0.0, (1, 1)), logits), logits.log_softmax(-1), atol=1e-6)


def test_where_no_symbol_of_the_packet_stands_the_weight_is_nearly_nought(
    memory: ConceptMemory, text: tuple[Tensor, Tensor, Tensor]
) -> None:
    states, _, at = text
    assert float(memory(states, torch.full((2, 8), 5), at).weight.max()) < 1e-8


def test_later_tokens_change_nothing(student: LanguageModel, addition: Taught) -> None:
    torch.manual_seed(0)
    ids = torch.randint(2, 12, (4, 10))
    other = torch.cat([ids[:, :6], torch.randint(2, 12, (4, 4))], 1)
    at = torch.tensor([[1, 5]]).expand(4, 2)
    first, second = (_read(student, addition.memory, each, at) for each in (ids, other))
    assert torch.allclose(first.weight, second.weight, atol=1e-7)
    assert torch.allclose(first.pointers, second.pointers, atol=1e-6)
    assert torch.allclose(first.anchor_logits, second.anchor_logits, atol=1e-4)
    assert not bool(first.pointers[:, 0, :, 2:].any())


def _read(lm: LanguageModel, memory: ConceptMemory, ids: Tensor, at: Tensor) -> Readout:
    with torch.inference_mode():
        states, _ = layer_states(lm, ids)
        readout: Readout = memory(states, ids, at)
    return readout


def test_all_farther_distances_share_one_bias(memory: ConceptMemory) -> None:
    length = DISTANCES + 9
    states = torch.zeros(1, length, SHAPE.states)
    found = memory(states, torch.zeros(1, length, dtype=torch.long), torch.tensor([[length - 1]]))
    far = found.pointers[0, 0, 0, :10]
    assert torch.allclose(far, far[0].expand(10))
    assert log(float(found.pointers[0, 0, 0, -1] / far[0])) == pytest.approx(
        float(memory.distance[0, 0] - memory.distance[0, -1]), abs=1e-4
    )


def test_what_is_trained_is_counted(memory: ConceptMemory) -> None:
    keys, queries, distances = 6 * 5, 6 * 15, 3 * DISTANCES
    dues = 6 * 64 + 64 + 64 * 7 + 7
    assert trained_parameters(memory) == keys + queries + distances + dues
