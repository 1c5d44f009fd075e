"""Sealed checks: made after alignment has ended, answered greedily, half of them kept for the report."""

import json
import random
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.te.settings import EARLIER, QUICK, REPORT
from examples.models.tasks import Fact, Task
from m2kt.neural.models import LanguageModel
from student_agent.aligned import AlignedStudent
from student_agent.artifact import load_memory
from student_agent.checks import Check, is_right, read_checks
from student_agent.memory import ConceptMemory
from student_agent.verify import perplexity

LONGEST = 128  # tokens of one answer
MODE = 0o600


@dataclass(frozen=True)
class Sealed:
    """Files of checks: ``near`` of the probes' lengths, ``far`` two steps longer than any probe."""

    near: Path
    far: Path


def seal(task: Task, fact: Fact, directory: Path, near: int, far: int, seed: int) -> Sealed:
    """Write both files with the answers that ``fact`` gives; equal seeds ask the same, whatever the facts."""
    directory.mkdir(parents=True, exist_ok=True)
    used: set[str] = set()
    for name in EARLIER:
        used |= {prompt for part in asked_for(task, name, seed, QUICK.items, QUICK.long_items) for prompt in part}
    found = Sealed(directory / "near.jsonl", directory / "far.jsonl")
    for path, prompts in zip((found.near, found.far), asked_for(task, REPORT, seed, near, far, used), strict=True):
        _write(path, task, fact, prompts)
    return found


def asked_for(
    task: Task, name: str, seed: int, near: int, far: int, used: Collection[str] = ()
) -> tuple[list[str], list[str]]:
    """The near and far prompts of a report's name and a seed, none of them ``used``."""
    rng = random.Random(" ".join(["checks", *name.split(), task.name, str(seed)]))
    lengths = [each for each in task.lengths if each + 2 > max(task.lengths)]
    return (
        held_out_prompts(task, rng, lengths, near, used),
        held_out_prompts(task, rng, task.longer[-1:], far, used),
    )


def held_out_prompts(
    task: Task, rng: random.Random, lengths: Sequence[int], count: int, used: Collection[str] = ()
) -> list[str]:
    """Different prompts that neither model and no extraction saw."""
    found: dict[str, None] = {}
    while len(found) < count:
        prompt = task.draw(rng, lengths)
        if task.held_out(prompt) and prompt not in used:
            found[prompt] = None
    return list(found)


def open_prompts(task: Task, rng: random.Random) -> Iterator[str]:
    """Prompts of the probes' kind without end, for the baseline and for its validation; none is held out."""
    while True:
        prompt = task.draw(rng, task.lengths)
        if not task.held_out(prompt):
            yield prompt


def check_of(task: Task, fact: Fact, prompt: str) -> Check:
    """One item."""
    return Check(prompt, task.answer(task.solve(prompt, fact)), (f"len{task.length(prompt)}",))


def _write(path: Path, task: Task, fact: Fact, prompts: Sequence[str]) -> None:
    checks = [check_of(task, fact, prompt) for prompt in prompts]
    lines = [{"prompt": each.prompt, "answer": each.answer, "tags": list(each.tags)} for each in checks]
    path.touch(MODE)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def report_half(path: Path) -> list[Check]:
    """The half of a file on which nothing is decided."""
    return read_checks(path, "report")


def answered(lm: LanguageModel, checks: Sequence[Check], memory: ConceptMemory | None = None) -> list[bool]:
    """Right or wrong for each check."""
    student = AlignedStudent(lm, () if memory is None else (memory,))
    written = student.write([each.prompt for each in checks], LONGEST)
    return [is_right(check, text) for check, text in zip(checks, written, strict=True)]


def accuracy(lm: LanguageModel, checks: Sequence[Check], memory: ConceptMemory | None = None) -> float:
    """Share of right answers."""
    right = answered(lm, checks, memory)
    return sum(right) / len(right)


def opened(lm: LanguageModel, memory: str) -> ConceptMemory:
    """A memory that the learning process wrote."""
    return load_memory(Path(memory), lm)


def general_perplexity(lm: LanguageModel, texts: Sequence[str], memory: ConceptMemory | None) -> float:
    """Perplexity on text outside the domain."""
    return perplexity(AlignedStudent(lm, () if memory is None else (memory,)), texts)
