"""Training of the concept memory on synthetic probes; the student's core is frozen and only read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from m2kt.errors import AlignmentRefused, OutOfMemory
from m2kt.memory import ran_out
from m2kt.neural.forward import layer_states
from m2kt.neural.models import LanguageModel
from m2kt.packet.knowledge import UNUSED, Knowledge
from student_agent.assemble import pointer_numbers
from student_agent.batches import Batch, Prober
from student_agent.dues import due_at, learn_window
from student_agent.losses import Lambdas, l_reason, l_struct
from student_agent.memory import ConceptMemory
from student_agent.offsets import constant_offsets, fix, hold
from student_agent.projection import Projection

SURVEYED = 64
"""Chains of a template that show how far back its roles stand; symbols of several tokens make that vary."""


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
    projection: Projection | None = None,
) -> list[float]:
    """Train the memory, and the map behind its values where the CAL has one (``projection.map``); returns the mean loss
    of every tenth of the schedule."""
    if lambdas.reason:  # what is due is a term of L_reason
        settle_dues(memory, prober, schedule.seed)
    trained = _Trained(lm, memory, _pointer_table(knowledge).to(lm.device), lambdas, projection)
    offsets = known_offsets(prober, knowledge, schedule.seed)
    fix(memory, offsets)
    rng = np.random.default_rng(schedule.seed)
    optimiser = torch.optim.AdamW(trained.parameters(), schedule.rate, weight_decay=0.0)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, schedule.steps, schedule.rate / 30)
    losses, count = [], schedule.batch
    for step in range(schedule.steps):
        optimiser.zero_grad()
        loss, count = _fitting(trained, prober, schedule.templates, count, rng, step)
        hold(memory, offsets)
        torch.nn.utils.clip_grad_norm_(trained.parameters(), 1.0)
        optimiser.step()
        decay.step()
        losses.append(loss)
        on_progress(step + 1, schedule.steps)
    trained.settle()
    return [float(part.mean()) for part in np.array_split(np.array(losses), min(10, len(losses)))]


def settle_dues(memory: ConceptMemory, prober: Prober, seed: int) -> None:
    """Let the last tokens tell what is due, if they do in rendered templates."""
    window = learn_window(prober, memory.shape.dues, SURVEYED, seed)
    if window is not None:
        memory.look_at(window.to(memory.values.device))


def known_offsets(prober: Prober, knowledge: Knowledge, seed: int) -> dict[int, int]:
    """Pointers whose role stands at one distance in `SURVEYED` chains of every template."""
    rng = np.random.default_rng([seed, SURVEYED])  # apart from the schedule's own draws
    return constant_offsets(prober.survey(SURVEYED, rng), _pointer_table(knowledge))


@dataclass(frozen=True)
class _Trained:
    """What is trained, and the objective (eq. 19)."""

    lm: LanguageModel
    memory: ConceptMemory
    pointers: Tensor
    lambdas: Lambdas
    projection: Projection | None

    def parameters(self) -> list[Tensor]:
        mapped = () if self._map is None else self._map.parameters()
        return [*self.memory.parameters(), *mapped]

    @property
    def _map(self) -> nn.Module | None:
        return self.projection.map if self.projection else None

    def loss(self, batches: Sequence[Batch]) -> Tensor:
        """The mean over batches, and the map's own terms."""
        own: Tensor | float = 0.0
        if self.projection is not None and self._map is not None:
            values = self._map(self.projection.task.concepts)
            own = self.projection.task.loss(values, self.lambdas).to(self.lm.device)
            self.memory.values = values.to(self.lm.device)
        terms = [_loss(self.lm, self.memory, self.pointers, each, self.lambdas) for each in batches]
        return torch.stack(terms).mean() + own

    def settle(self) -> None:
        """The memory keeps the map's last values."""
        if self.projection is not None and self._map is not None:
            with torch.no_grad():
                self.memory.values = self._map(self.projection.task.concepts).to(self.lm.device)


def _fitting(
    trained: _Trained, prober: Prober, templates: int, count: int, rng: np.random.Generator, step: int
) -> tuple[float, int]:
    """Loss and gradients of one step, with ``count`` chains of each template, or half as many where memory runs out;
    also how many it were."""
    while True:
        drawn = list(prober.draw(templates, count, rng))
        if not drawn:
            raise AlignmentRefused("no probe could be rendered: too few concepts came with the packet")
        try:
            loss = trained.loss(drawn)
            if not torch.isfinite(loss):
                raise AlignmentRefused(
                    f"the loss is not finite at step {step}",
                    hint="The student's states hold NaN or infinity, or the rate is too high.",
                )
            torch.autograd.backward(loss)
            return float(loss.detach()), count
        except (RuntimeError, MemoryError) as error:
            if not ran_out(error):
                raise
            if count == 1:
                raise OutOfMemory(
                    f"{trained.lm.directory.name} on {trained.lm.device} has no memory to train on a single chain",
                    hint="Free the device, or take another one.",
                ) from error
        for each in trained.parameters():
            each.grad = None
        count //= 2
        if trained.lm.device.type == "cuda":
            torch.cuda.empty_cache()


def _pointer_table(knowledge: Knowledge) -> Tensor:
    """Pointer of class c and slot r, (C, R), -1 unused."""
    slots = knowledge.groundings.shape[1]
    return torch.tensor([[*row, *[UNUSED] * (slots - len(row))] for row in pointer_numbers(knowledge)])


def _loss(lm: LanguageModel, memory: ConceptMemory, pointers: Tensor, batch: Batch, lambdas: Lambdas) -> Tensor:
    """The terms of the composite loss (eq. 19) that depend on probes: L_struct and L_reason of one batch."""
    ids, at = batch.ids.to(lm.device), batch.at.to(lm.device)
    with torch.no_grad():
        states, logits = layer_states(lm, ids)
    readout = memory(states, ids, at)
    attention, places = _role_rows(readout.pointers, pointers, batch)
    own = torch.gather(logits, 1, at[..., None].expand(-1, -1, logits.shape[-1]))
    said = memory.mix(readout, own)
    chosen = said.gather(-1, batch.tokens.to(lm.device)[..., None]).squeeze(-1)[batch.dues.to(lm.device) >= 0]
    evidence = torch.zeros_like(attention).scatter_(1, places[:, None], 1.0)
    due_logits = memory.classify(states).flatten(0, 1)  # also where the last tokens tell: other wordings need it
    dues = due_at(batch, memory.shape.dues).flatten().to(lm.device)
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
