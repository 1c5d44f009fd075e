"""The baseline: the same student, all of it fine-tuned on the teacher's logits.

The texts are true, the logits the teacher's at every word of them, so that the baseline gets form and copies for
nothing; what is counted as an output is one decided symbol's logits. N outputs are one fixed set, trained for as many
epochs as validation improves; the plateau continues on fresh ones.
"""

import copy
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from bench.te import flops
from bench.te.judging import accuracy, check_of, open_prompts
from bench.te.settings import Kd
from examples.models.tasks import Fact, Task
from m2kt.neural.forward import TOKENS_PER_BATCH, batched
from m2kt.neural.models import LanguageModel
from student_agent.checks import Check
from student_agent.memory import ConceptMemory

TOP = 4
"""Logits kept of one output; the teachers are sure enough that the fifth has no weight."""
IGNORED = -1


@dataclass(frozen=True)
class Lessons:
    """N texts of at most T student tokens: targets are spread over `TOP` tokens, -1 and 0 where nothing is asked."""

    ids: Tensor  # (N, T)
    tokens: Tensor  # (N, T, TOP)
    shares: Tensor  # (N, T, TOP)
    outputs: int
    teacher_flops: int


def lessons(teacher: LanguageModel, student: LanguageModel, task: Task, fact: Fact, prompts: Sequence[str]) -> Lessons:
    """Ask the teacher once for every word of every text."""
    texts = [(prompt, task.solve(prompt, fact)) for prompt in prompts]
    first = _first_pieces(teacher, student)
    counter = flops.counter()
    parts, asked = [], teacher.tokenizer([f"{prompt} {told}" for prompt, told in texts])["input_ids"]
    with counter:  # one text tells the cost of all of its length; the counter itself is slow
        costs = {length: _cost(teacher, counter, length) for length in {len(row) for row in asked}}
    rows = encoded(student, texts)
    longest = max(len(ids) for ids, _ in rows)
    shares, best = _said(teacher, asked)
    for (ids, words), own, place in zip(rows, best, range(len(rows)), strict=True):
        parts.append(_row(ids, words, first[own], shares[place], longest))
    columns = [torch.from_numpy(np.stack(column)) for column in zip(*parts, strict=True)]
    outputs = sum(count_decisions(task, fact, prompt) for prompt in prompts)
    return Lessons(columns[0], columns[1], columns[2], outputs, sum(costs[len(row)] for row in asked))


def count_decisions(task: Task, fact: Fact, prompt: str) -> int:
    """How many facts a prompt asks for."""
    asked = 0

    def note(name: str, *symbols: str) -> str:
        nonlocal asked
        asked += 1
        return fact(name, *symbols)

    task.solve(prompt, note)
    return asked


def _cost(lm: LanguageModel, counter: FlopCounterMode, length: int) -> int:
    before = counter.get_total_flops()
    with torch.no_grad():
        lm.model(input_ids=torch.zeros(1, length, dtype=torch.long), use_cache=False)
    return int(counter.get_total_flops() - before)


def _first_pieces(teacher: LanguageModel, student: LanguageModel) -> NDArray[np.int64]:
    """The student's first token of every teacher's token, after a space, (V_T,)."""
    words = teacher.tokenizer.convert_ids_to_tokens(range(len(teacher.tokenizer)))
    first = np.array([row[0] for row in student.tokenizer([f" {word}" for word in words])["input_ids"]])
    first[teacher.end_ids] = student.tokenizer.eos_token_id
    return first


def encoded(student: LanguageModel, texts: Sequence[tuple[str, str]]) -> list[tuple[list[int], list[int]]]:
    """Token ids with the end mark, and the number of the word that each belongs to (prompt words included)."""
    whole = student.tokenizer([f"{prompt} {told}" for prompt, told in texts], return_offsets_mapping=True)
    end = student.tokenizer.eos_token_id
    found = []
    for (prompt, told), ids, offsets in zip(texts, whole["input_ids"], whole["offset_mapping"], strict=True):
        starts = np.cumsum([0, *(len(word) + 1 for word in f"{prompt} {told}".split(" "))])
        words = np.searchsorted(starts, [last for _, last in offsets]) - 1
        given = len(prompt.split(" "))
        found.append(([*ids, end], [*(w if w >= given else IGNORED for w in words.tolist()), len(starts) - 1]))
    return found


@torch.inference_mode()
def _said(teacher: LanguageModel, rows: Sequence[Sequence[int]]) -> tuple[list[NDArray[np.float32]], list[Tensor]]:
    """Shares and tokens of the teacher's `TOP` guesses of every next word, (words, TOP) each."""
    shares: list[NDArray[np.float32]] = [np.zeros(0, np.float32)] * len(rows)
    tokens: list[Tensor] = [torch.zeros(0)] * len(rows)
    for length in sorted({len(row) for row in rows}):
        same = [number for number, row in enumerate(rows) if len(row) == length]
        for part in batched(len(same), TOKENS_PER_BATCH["cpu"] // length):
            ids = torch.tensor([rows[number] for number in same[part]])
            top = teacher.model(input_ids=ids, use_cache=False).logits.softmax(-1).topk(TOP)
            for number, value, index in zip(same[part], top.values.numpy(), top.indices, strict=True):
                shares[number], tokens[number] = value, index
    return shares, tokens


Row = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]


def _row(
    ids: Sequence[int], words: Sequence[int], guesses: NDArray[np.int64], shares: NDArray[np.float32], longest: int
) -> Row:
    """One padded text: the target of a word's first token is the teacher's, of its other tokens the token itself."""
    out = np.zeros(longest, np.int64), np.zeros((longest, TOP), np.int64), np.zeros((longest, TOP), np.float32)
    out[0][: len(ids)] = ids
    for place, word in enumerate(words):
        if word != IGNORED and word != words[place - 1]:
            out[1][place - 1], out[2][place - 1] = guesses[word - 1], shares[word - 1]
        elif word != IGNORED:
            out[1][place - 1, 0], out[2][place - 1, 0] = ids[place], 1.0
    return out


@dataclass
class Course:
    """What became of one training: the best student by validation, and what each look saw."""

    best: LanguageModel
    validation: float
    looks: list[tuple[int, float]]  # steps, accuracy
    flops_per_step: int


def train(student: LanguageModel, data: Lessons, checks: Sequence[Check], kd: Kd, rate: float, steps: int) -> Course:
    """Fine-tune a copy until validation stops improving or ``steps`` are over."""
    lm = _copy(student)
    lm.model.requires_grad_(True)
    optimiser = torch.optim.AdamW(lm.model.parameters(), rate, betas=(0.9, 0.98), weight_decay=0.01)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps, pct_start=warm_up(steps))
    course = Course(_copy(student), accuracy(student, checks), [], 0)
    for step, rows in zip(range(1, steps + 1), batches(len(data.ids), kd.batch), strict=False):
        counter = flops.counter()
        if step == 1:
            with counter:
                _step(lm, optimiser, data, rows)
            course.flops_per_step = int(counter.get_total_flops())
        else:
            _step(lm, optimiser, data, rows)
        plan.step()
        if step % kd.every == 0 or step == steps:
            course.looks.append((step, accuracy(lm, checks)))
            if course.looks[-1][1] >= course.validation:  # of two that are as good, the one that learned longer
                course.best, course.validation = _copy(lm), course.looks[-1][1]
            if stalled(course.looks, kd):
                break
    return course


def warm_up(steps: int) -> float:
    """Share of a course in which the rate rises: a twentieth, and at least two steps."""
    return max(0.05, 2 / steps)


def _copy(lm: LanguageModel) -> LanguageModel:
    return LanguageModel(copy.deepcopy(lm.model), lm.tokenizer, lm.device, lm.directory)


def stalled(looks: Sequence[tuple[int, float]], kd: Kd) -> bool:
    """Whether all of the last looks were worse than an earlier one, or an earlier one found nothing wrong. That alone
    is no reason to stop: so few items do not tell what the longest chains may still gain."""
    seen = [each for _, each in looks]
    if len(seen) <= kd.patience:
        return False
    best = max(seen[: -kd.patience])
    return best >= 0.999 or max(seen[-kd.patience :]) < best


def batches(count: int, size: int) -> Iterator[NDArray[np.int64]]:
    rng = np.random.default_rng(0)
    while True:
        order = rng.permutation(count)
        yield from (order[part] for part in batched(count, size))


def _step(lm: LanguageModel, optimiser: torch.optim.Optimizer, data: Lessons, rows: NDArray[np.int64]) -> None:
    """Cross-entropy against the teacher's shares, mean over the words asked."""
    length = int((data.shares[rows].sum(-1) > 0).any(0).nonzero().max()) + 1
    logs = lm.model(input_ids=data.ids[rows, :length], use_cache=False).logits.log_softmax(-1)
    shares = data.shares[rows, :length]
    loss = -(logs.gather(-1, data.tokens[rows, :length]) * shares).sum() / shares.sum()
    optimiser.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    torch.nn.utils.clip_grad_norm_(lm.model.parameters(), 1.0)
    optimiser.step()


@dataclass(frozen=True)
class Baseline:
    """The baseline's courses on one student."""

    fixed: Course  # on N outputs
    plateau: Course  # continued on fresh ones
    outputs: int
    epochs: float
    rate: float
    teacher_flops: int


def baseline(
    teacher: LanguageModel, student: LanguageModel, task: Task, fact: Fact, kd: Kd, validation: int, seed: int
) -> Baseline:
    """N outputs at the rate that validation chooses, then the plateau."""
    checks, prompts = prompts_of(task, fact, kd.outputs, validation, seed)
    data = lessons(teacher, student, task, fact, prompts)
    courses = {rate: train(student, data, checks, kd, rate, kd.steps) for rate in kd.rates}
    rate = max(courses, key=lambda each: courses[each].validation)
    fixed = courses[rate]
    _, fresh = prompts_of(task, fact, kd.outputs, validation, seed + 1)
    more = lessons(teacher, student, task, fact, fresh[: kd.plateau_steps * kd.batch])  # each is seen once at most
    course = train(fixed.best, more, checks, kd, rate / 2, kd.plateau_steps)
    plateau = course if course.validation >= fixed.validation else fixed
    epochs = fixed.looks[-1][0] * kd.batch / len(data.ids)
    return Baseline(fixed, plateau, data.outputs, epochs, rate, data.teacher_flops)


def prompts_of(task: Task, fact: Fact, outputs: int, validation: int, seed: int) -> tuple[list[Check], list[str]]:
    """Validation items, and prompts until the outputs are used up; different ones, but for those that are few."""
    source = open_prompts(task, random.Random(f"baseline {task.name} {seed}"))
    checks = [check_of(task, fact, prompt) for prompt in islice(source, validation)]
    prompts: list[str] = []
    asked = 0
    while asked < outputs:
        prompts.append(next(source))
        asked += count_decisions(task, fact, prompts[-1])
    return checks, prompts


def validation_accuracy(
    student: LanguageModel, memory: ConceptMemory, task: Task, fact: Fact, items: int, seed: int
) -> float:
    """A taught student on the baseline's own validation items."""
    checks, _ = prompts_of(task, fact, 0, items, seed)
    return accuracy(student, checks, memory)


def flops_to(baseline: Baseline, wanted: float, batch: int) -> int:
    """Training FLOPs until validation first reached ``wanted`` (all of them if it never did), the teacher's included:
    it is asked once for every text that was seen by then."""
    course = baseline.fixed
    reached = [steps for steps, seen in course.looks if seen >= wanted]
    steps = reached[0] if reached else course.looks[-1][0]
    epochs = baseline.epochs * steps / course.looks[-1][0]
    return int(steps * course.flops_per_step + min(1.0, epochs) * baseline.teacher_flops)
