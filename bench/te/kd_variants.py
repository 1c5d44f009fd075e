"""The baseline with other means: as many outputs as the extraction used, as few as the packet's bytes would hold, and
through the packet's own memory instead of the student's weights."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.te import kd
from bench.te.judging import accuracy
from bench.te.packets import knowledge_of
from bench.te.settings import OUTPUTS, Kd, kd_of
from bench.te.stages import Row, Scene
from m2kt.neural.forward import layer_states
from m2kt.neural.models import LanguageModel
from m2kt.packet import Packet
from m2kt.packet.knowledge import Knowledge
from student_agent.assemble import assemble
from student_agent.batches import Prober
from student_agent.checks import Check
from student_agent.memory import ConceptMemory, trained_parameters
from student_agent.offsets import fix, hold
from student_agent.projection import keep_shared, project, share_anchors
from student_agent.training import known_offsets, settle_dues
from student_agent.vocabulary import learn_vocabulary


def kd_rows(scene: Scene, packet: Packet, checks: list[Check], teacher: float) -> Iterator[Row]:
    """One row for each number of outputs, then the memory's."""
    ledger = packet.manifest.ledger
    numbers = {
        "fine-tuned on as many outputs as queries": ledger["teacher_queries_used_to_build"],
        "fine-tuned on outputs of the packet's bytes": ledger["bytes"] // (2 * ledger["anchors"]),
    }
    budget = kd_of(scene.task.name, scene.size)
    for name, outputs in numbers.items():
        course, used = fine_tuned(scene, replace(budget, outputs=outputs))
        yield _row(name, accuracy(course.best, checks), teacher, used, course.looks[-1][0], _size(course.best))
    memory, used, steps = through_memory(scene, knowledge_of(packet), budget)
    trained = trained_parameters(memory) + memory.values.numel()
    right = accuracy(scene.student, checks, memory)
    yield _row(f"through the same memory, {OUTPUTS:,} outputs", right, teacher, used, steps, trained)


def _row(name: str, right: float, teacher: float, outputs: int, steps: int, trained: int) -> Row:
    told = {"group": "KD", "name": name, "outputs": outputs, "steps": steps, "trained": trained}
    return {**told, "accuracy": right, "te": right / teacher}


def _size(lm: LanguageModel) -> int:
    return sum(each.numel() for each in lm.model.parameters())


def fine_tuned(scene: Scene, budget: Kd) -> tuple[kd.Course, int]:
    """The whole student on a fixed set, at the rate that validation chooses; and how many outputs it was."""
    checks, data = _data(scene, budget)
    return best_course(scene.student, data, checks, budget), data.outputs


def best_course(student: LanguageModel, data: kd.Lessons, checks: list[Check], budget: Kd) -> kd.Course:
    """At the rate that validation chooses."""
    courses = [kd.train(student, data, checks, budget, rate, budget.steps) for rate in budget.rates]
    return max(courses, key=lambda each: each.validation)


def _data(scene: Scene, budget: Kd) -> tuple[list[Check], kd.Lessons]:
    task, fact = scene.task, scene.fact
    checks, prompts = kd.prompts_of(task, fact, budget.outputs, scene.size.validation, scene.seed)
    return checks, kd.lessons(scene.teacher, scene.student, task, fact, prompts)


def through_memory(scene: Scene, knowledge: Knowledge, budget: Kd) -> tuple[ConceptMemory, int, int]:
    """The memory of R and of the groundings, whose values are learned from outputs and not mapped from C; the outputs
    used, and the steps. The student stays frozen. The best by validation is kept."""
    checks, data = _data(scene, budget)
    memory, values, fixed = _blank(scene.student, knowledge, scene.seed)
    trained, steps = [*memory.parameters(), values], budget.steps
    optimiser = torch.optim.AdamW(trained, budget.rates[0], weight_decay=0.0)
    plan = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, budget.rates[0], total_steps=steps, pct_start=kd.warm_up(steps)
    )
    best, kept, done = -1.0, _kept(memory), 0
    for done, rows in zip(range(1, steps + 1), kd.batches(len(data.ids), budget.batch), strict=False):
        memory.values = values
        loss = _loss(scene.student, memory, data, rows)
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        hold(memory, fixed)
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        plan.step()
        if done % budget.every == 0 or done == steps:
            memory.values = values.detach()
            right = accuracy(scene.student, checks, memory)
            if right > best:
                best, kept = right, _kept(memory)
            if right >= 0.999:
                break
    memory.load_state_dict(kept)
    return memory.eval().requires_grad_(False), data.outputs, done


def _blank(lm: LanguageModel, knowledge: Knowledge, seed: int) -> tuple[ConceptMemory, Tensor, dict[int, int]]:
    """The memory as alignment would train it, values that hold nothing of the packet's, and pointers that are known."""
    torch.manual_seed(seed)
    vocabulary = learn_vocabulary(knowledge, lm.tokenizer, seed)
    anchors = share_anchors(knowledge, vocabulary)
    knowledge = keep_shared(knowledge, anchors)
    projection = project(lm, knowledge, anchors)
    memory = assemble(lm, knowledge, vocabulary, projection)
    prober = Prober(lm, knowledge, vocabulary, projection)
    settle_dues(memory, prober, seed)
    fixed = known_offsets(prober, knowledge, seed)
    fix(memory, fixed)
    return memory, (torch.randn(memory.values.shape) * 0.02).requires_grad_(True), fixed


def _kept(memory: ConceptMemory) -> dict[str, Tensor]:
    return {name: each.detach().clone() for name, each in memory.state_dict().items()}


def _loss(lm: LanguageModel, memory: ConceptMemory, data: kd.Lessons, rows: NDArray[np.int64]) -> Tensor:
    """The baseline's loss, of what student and memory say together."""
    length = int((data.shares[rows].sum(-1) > 0).any(0).nonzero().max()) + 1
    ids, shares = data.ids[rows, :length], data.shares[rows, :length]
    with torch.no_grad():
        states, logits = layer_states(lm, ids)
    said = memory.mix(memory(states, ids, torch.arange(length).expand(len(ids), -1)), logits)
    return -(said.gather(-1, data.tokens[rows, :length]) * shares).sum() / shares.sum()
