"""Training of the concept memory on synthetic probes; the student's core is frozen and only read."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from m2kt.errors import AlignmentRefused
from m2kt.neural.forward import layer_states
from m2kt.neural.models import LanguageModel
from m2kt.packet.knowledge import UNUSED, Knowledge
from student_agent.assemble import pointer_numbers
from student_agent.batches import Batch, Prober
from student_agent.losses import Lambdas, l_reason, l_struct
from student_agent.memory import ConceptMemory


@dataclass(frozen=True)
class Schedule:
    """How long and how fast. ``batch`` chains of each of ``templates`` random templates make one step."""

    steps: int = 300
    batch: int = 24
    templates: int = 3
    rate: float = 3e-3
    seed: int = 0


def train(
    lm: LanguageModel,
    memory: ConceptMemory,
    knowledge: Knowledge,
    prober: Prober,
    schedule: Schedule,
    lambdas: Lambdas,
    on_progress: Callable[[int, int], None],
) -> list[float]:
    """Train the memory; returns the mean loss of every tenth of the schedule."""
    pointers = _pointer_table(knowledge).to(lm.device)
    rng = np.random.default_rng(schedule.seed)
    optimiser = torch.optim.AdamW(memory.parameters(), schedule.rate, weight_decay=0.0)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, schedule.steps, schedule.rate / 30)
    losses = []
    for step in range(schedule.steps):
        terms = [
            _loss(lm, memory, pointers, batch, lambdas)
            for batch in prober.draw(schedule.templates, schedule.batch, rng)
        ]
        if not terms:
            raise AlignmentRefused("no probe could be rendered: too few concepts came with the packet")
        loss = torch.stack(terms).mean()
        if not torch.isfinite(loss):
            raise AlignmentRefused(f"the loss is not finite at step {step}")
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(memory.parameters(), 1.0)
        optimiser.step()
        decay.step()
        losses.append(float(loss.detach()))
        on_progress(step + 1, schedule.steps)
    return [float(part.mean()) for part in np.array_split(np.array(losses), min(10, len(losses)))]


def _pointer_table(knowledge: Knowledge) -> Tensor:
    """Pointer of class c and slot r, (C, R), -1 unused."""
    slots = knowledge.groundings.shape[1]
    return torch.tensor([[*row, *[UNUSED] * (slots - len(row))] for row in pointer_numbers(knowledge)])


def _loss(lm: LanguageModel, memory: ConceptMemory, pointers: Tensor, batch: Batch, lambdas: Lambdas) -> Tensor:
    """Composite loss of one batch (eq. 19 without its terms that training cannot move, see losses.py)."""
    ids, at = batch.ids.to(lm.device), batch.at.to(lm.device)
    with torch.no_grad():
        states, logits = layer_states(lm, ids)
    readout = memory(states, ids, at)
    attention, places = _role_rows(readout.pointers, pointers, batch)
    own = torch.gather(logits, 1, at[..., None].expand(-1, -1, logits.shape[-1]))
    said = memory.mix(readout, own)
    chosen = said.gather(-1, batch.tokens.to(lm.device)[..., None]).squeeze(-1)[batch.dues.to(lm.device) >= 0]
    evidence = torch.zeros_like(attention).scatter_(1, places[:, None], 1.0)
    due_logits, dues = _due_rows(memory, states, batch)
    reason = l_reason(due_logits, dues, attention, places, chosen)
    return lambdas.struct * l_struct(attention, evidence) + lambdas.reason * reason


def _role_rows(attention: Tensor, pointers: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """Attention (M, T) of every used role slot of everything due, and the token where it should look (M,)."""
    count, _, _, length = attention.shape
    chosen = pointers[batch.classes.to(pointers.device)]  # (Q, R)
    index = chosen.clamp(min=0)[None, :, :, None].expand(count, -1, -1, length)
    picked = attention.gather(2, index)  # (N, Q, R, T)
    used = (chosen >= 0)[None] & (batch.dues.to(chosen.device) >= 0)[..., None]
    return picked[used], batch.roles.to(attention.device)[used]


def _due_rows(memory: ConceptMemory, states: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """Logits (M, C * L + 1) at every position and what is due there: nothing, save at the pieces of decisions."""
    target = torch.full(batch.ids.shape, memory.shape.dues - 1)
    real = batch.dues >= 0
    rows = torch.arange(len(batch.ids))[:, None].expand_as(batch.at)
    target[rows[real], batch.at[real]] = batch.dues[real]
    return memory.classify(states).flatten(0, 1), target.flatten().to(states.device)
