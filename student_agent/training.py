"""Training of the concept memory on synthetic probes; the student's core is frozen and only read."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from m2kt.errors import AlignmentRefused
from m2kt.neural.forward import layer_states
from m2kt.neural.models import LanguageModel
from m2kt.packet.knowledge import UNUSED, Knowledge
from student_agent.assemble import pointer_numbers
from student_agent.losses import Lambdas, l_reason, l_struct
from student_agent.memory import ConceptMemory
from student_agent.probes import Unroller, decision_positions
from student_agent.projection import Projection
from student_agent.rendering import Vocabulary, render


@dataclass(frozen=True)
class Schedule:
    """How long and how fast. ``batch`` chains of each of ``templates`` random templates make one step."""

    steps: int = 300
    batch: int = 24
    templates: int = 3
    rate: float = 3e-3
    seed: int = 0


@dataclass(frozen=True)
class Batch:
    """N chains of T tokens of one template with D decisions; places are token indices."""

    ids: Tensor  # (N, T)
    at: Tensor  # (N, D) the position that decides: the token before the decision
    tokens: Tensor  # (N, D) the decided token
    classes: Tensor  # (D,)
    roles: Tensor  # (N, D, R) places of the roles, -1 unused


class Prober:
    """Draws batches: random templates, random symbols, decisions read from the packet."""

    def __init__(self, lm: LanguageModel, knowledge: Knowledge, vocabulary: Vocabulary, projection: Projection) -> None:
        self._lm, self._knowledge, self._usable = lm, knowledge, vocabulary.usable
        self._unroller = Unroller(knowledge, projection.answers)

    def draw(self, schedule: Schedule, rng: np.random.Generator) -> Iterator[Batch]:
        """Batches for one step, of templates whose decisions all find a concept."""
        drawn = 0
        for number in rng.permutation(self._usable):
            template = self._knowledge.templates[number]
            if drawn == schedule.templates:
                return
            probes = self._unroller.unroll(template, schedule.batch, rng)
            if len(probes.symbols) == 0:
                continue
            drawn += 1
            positions = decision_positions(template)
            for part in render(self._knowledge, self._lm.tokenizer, probes):
                yield self._batch(part.ids, part.places, template.elements[positions, 1], positions)

    def _batch(
        self, ids: Tensor, places: NDArray[np.int64], decisions: NDArray[np.int32], positions: list[int]
    ) -> Batch:
        rows = self._knowledge.decisions[decisions]
        decided = torch.from_numpy(places[:, positions])
        roles = places[:, rows[:, 1:].ravel()].reshape(len(ids), *rows[:, 1:].shape)
        roles = np.where(rows[None, :, 1:] == UNUSED, UNUSED, roles)
        return Batch(
            ids=ids,
            at=decided - 1,
            tokens=torch.gather(ids, 1, decided),
            classes=torch.from_numpy(rows[:, 0].astype(np.int64)),
            roles=torch.from_numpy(roles),
        )


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
        terms = [_loss(lm, memory, pointers, batch, lambdas) for batch in prober.draw(schedule, rng)]
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
    chosen = said.gather(-1, batch.tokens.to(lm.device)[..., None]).squeeze(-1)
    evidence = torch.zeros_like(attention).scatter_(1, places[:, None], 1.0)
    class_logits, classes = _class_rows(memory, states, batch)
    reason = l_reason(class_logits, classes, attention, places, chosen)
    return lambdas.struct * l_struct(attention, evidence) + lambdas.reason * reason


def _role_rows(attention: Tensor, pointers: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """Attention (M, T) of every used role slot and the token where it should look (M,)."""
    count, _, _, length = attention.shape
    chosen = pointers[batch.classes.to(pointers.device)]  # (D, R)
    index = chosen.clamp(min=0)[None, :, :, None].expand(count, -1, -1, length)
    picked = attention.gather(2, index)  # (N, D, R, T)
    used = (chosen >= 0)[None].expand(count, -1, -1)
    return picked[used], batch.roles.to(attention.device)[used]


def _class_rows(memory: ConceptMemory, states: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """Class logits (M, C + 1) at every position and the class due there: none, save at decisions."""
    target = torch.full(batch.ids.shape, memory.shape.classes)
    target.scatter_(1, batch.at, batch.classes.expand(len(batch.ids), -1))
    return memory.classify(states).flatten(0, 1), target.flatten().to(states.device)
