"""Pointers whose role always stands equally far back: they need not be learned, and should not be.

A pointer that is trained finds its role by what the student's states hold, and beside learned absolute positions these
hold *where in the text* it stood in probes: on a longer chain it goes on looking there. Whether a role stands at one
distance can be read off rendered probes. Where it does, the distance is the whole rule, and holds at any length.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from student_agent.batches import Batch
from student_agent.memory import DISTANCES, ConceptMemory

SURE = 30.0
"""Score of the one distance against 0 for all others: in a text of a thousand tokens all but 1e-10 falls on it."""


def constant_offsets(batches: Iterable[Batch], pointers: Tensor) -> dict[int, int]:
    """How far back each pointer's role stands, of those that never stand elsewhere; ``pointers`` (C, R) are the numbers
    by class and slot, -1 unused."""
    seen: dict[int, set[int]] = {}
    for batch in batches:
        back = batch.at[..., None] - batch.roles  # (N, Q, R)
        due = (batch.dues >= 0)[..., None].expand_as(back)
        numbers = pointers[batch.classes].expand_as(back)
        found = torch.stack([numbers[due], back[due]], 1)[numbers[due] >= 0]
        for pointer, offset in {(int(pointer), int(offset)) for pointer, offset in found.tolist()}:
            seen.setdefault(pointer, set()).add(offset)
    single = {pointer: offsets.pop() for pointer, offsets in seen.items() if len(offsets) == 1}
    return {pointer: offset for pointer, offset in single.items() if 0 <= offset < DISTANCES - 1}


@torch.no_grad()
def fix(memory: ConceptMemory, offsets: dict[int, int]) -> None:
    """Let these pointers look at their distance alone."""
    queries = memory.query.weight.view(memory.shape.pointers, memory.shape.key, -1)
    for pointer, offset in offsets.items():
        queries[pointer] = 0
        memory.distance[pointer] = 0
        memory.distance[pointer, offset] = SURE


def hold(memory: ConceptMemory, offsets: dict[int, int]) -> None:
    """Take the gradients of fixed pointers away: an optimiser that scales them would follow the smallest."""
    fixed = list(offsets)
    if memory.distance.grad is not None:
        memory.distance.grad[fixed] = 0
    if memory.query.weight.grad is not None:
        memory.query.weight.grad.view(memory.shape.pointers, memory.shape.key, -1)[fixed] = 0
