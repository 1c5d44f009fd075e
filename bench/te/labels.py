"""The student's own ceiling: all of it trained on labels, on the baseline's prompts and by its schedule."""

from collections.abc import Iterator, Sequence

import torch

from bench.te import kd
from bench.te.judging import accuracy
from bench.te.kd_variants import best_course
from bench.te.settings import kd_of
from bench.te.stages import Row
from bench.te.trials import Trial
from examples.models.tasks import Fact, Task
from m2kt.neural.models import LanguageModel


def rows(trial: Trial) -> Iterator[Row]:
    """One row; no teacher is asked."""
    scene, budget = trial.scene, kd_of(trial.scene.task.name, trial.scene.size)
    checks, prompts = kd.prompts_of(scene.task, scene.fact, budget.outputs, scene.size.validation, scene.seed)
    data = labelled(scene.student, scene.task, scene.fact, prompts)
    course = best_course(scene.student, data, checks, budget)
    right = accuracy(course.best, trial.checks)
    yield {
        "group": "labels",
        "name": f"the student's own ceiling, {data.outputs:,} labels",
        "accuracy": right,
        "te": right / trial.teacher,
        "outputs": data.outputs,
        "steps": course.looks[-1][0],
        "trained": sum(each.numel() for each in course.best.model.parameters()),
    }


def labelled(student: LanguageModel, task: Task, fact: Fact, prompts: Sequence[str]) -> kd.Lessons:
    """The baseline's texts; the target of every token of a continuation is that token."""
    told = kd.encoded(student, [(prompt, task.solve(prompt, fact)) for prompt in prompts])
    longest = max(len(ids) for ids, _ in told)
    ids = torch.zeros(len(told), longest, dtype=torch.long)
    asked = torch.zeros(len(told), longest)
    for row, (own, words) in enumerate(told):
        ids[row, : len(own)] = torch.tensor(own)
        asked[row, : len(words) - 1] = (torch.tensor(words[1:]) != kd.IGNORED).float()
    outputs = sum(kd.count_decisions(task, fact, prompt) for prompt in prompts)
    return kd.Lessons(ids, ids.roll(-1, 1)[..., None], asked[..., None], outputs, 0)
