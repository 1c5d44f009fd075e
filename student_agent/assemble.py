"""A concept memory for one student and one packet, before training: everything fixed is put in place."""

import torch
from torch import Tensor

from m2kt.neural.forward import layer_states
from m2kt.neural.models import LanguageModel
from m2kt.packet.knowledge import UNUSED, Knowledge
from student_agent.memory import ConceptMemory, Shape
from student_agent.projection import Projection, head_rows
from student_agent.spelling import Variant
from student_agent.vocabulary import Vocabulary


def pointer_numbers(knowledge: Knowledge) -> list[list[int]]:
    """Pointer of each class and used slot; pointers are numbered through all classes."""
    numbers: list[list[int]] = []
    count = 0
    for each in range(knowledge.class_count):
        slots = knowledge.slots_of(each)
        numbers.append(list(range(count, count + slots)))
        count += slots
    return numbers


def assemble(lm: LanguageModel, knowledge: Knowledge, vocabulary: Vocabulary, projection: Projection) -> ConceptMemory:
    """An untrained memory whose buffers hold the projected packet, on the student's device."""
    pointers = pointer_numbers(knowledge)
    grounded = sorted(set(knowledge.groundings.ravel().tolist()) - {UNUSED})
    spellings = _spellings(vocabulary, grounded)
    anchors = projection.anchors
    shape = Shape(
        states=_states_width(lm),
        width=projection.values.shape[1],
        concepts=len(knowledge.centroids),
        slots=knowledge.groundings.shape[1],
        classes=knowledge.class_count,
        pointers=sum(map(len, pointers)),
        anchors=len(anchors.strings),
        variants=max(map(len, anchors.spellings)),
        pieces=anchors.pieces,
        symbols=len(grounded),
        spellings=len(spellings),
        longest=max(map(len, (variant for variant, _ in spellings)), default=1),
    )
    memory = ConceptMemory(shape)
    memory.values.copy_(projection.values)
    memory.classes.copy_(torch.from_numpy(knowledge.classes.copy()))
    memory.grounded.copy_(_grounded_table(knowledge, grounded))
    memory.pointer_of.copy_(_pointer_table(knowledge, pointers, shape.pointers))
    memory.spotter.fill(spellings)
    memory.speller.fill(anchors.spellings)
    weight, bias = head_rows(lm, [variants[0] for variants in anchors.spellings])
    memory.head.copy_(weight)
    memory.head_bias.copy_(bias)
    return memory.to(lm.device)


@torch.inference_mode()
def _states_width(lm: LanguageModel) -> int:
    states, _ = layer_states(lm, torch.zeros(1, 1, dtype=torch.long))
    return int(states.shape[-1])


def _grounded_table(knowledge: Knowledge, grounded: list[int]) -> Tensor:
    number = {symbol: place for place, symbol in enumerate(grounded)} | {UNUSED: len(grounded)}
    return torch.tensor([[number[symbol] for symbol in row] for row in knowledge.groundings.tolist()])


def _pointer_table(knowledge: Knowledge, pointers: list[list[int]], unused: int) -> Tensor:
    """Which pointer fills slot r of concept i, (K, R)."""
    rows = []
    for each, grounding in zip(knowledge.classes.tolist(), knowledge.groundings.tolist(), strict=True):
        numbers = pointers[each]
        rows.append([numbers[slot] if symbol != UNUSED else unused for slot, symbol in enumerate(grounding)])
    return torch.tensor(rows)


def _spellings(vocabulary: Vocabulary, grounded: list[int]) -> list[tuple[Variant, int]]:
    """Every spelling of every grounded symbol, with the symbol's number."""
    numbered = enumerate(grounded)
    return [(variant, number) for number, symbol in numbered for variant in vocabulary.tokens.get(symbol, ())]
