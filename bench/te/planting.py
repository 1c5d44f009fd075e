"""A teacher that errs: one fact is trained wrong, and the student must inherit exactly that."""

import random

import torch

from bench.te.judging import accuracy, check_of, held_out_prompts, opened
from bench.te.settings import REPORT
from bench.te.stages import Row, Scene, align_all, domain_of, teach
from examples.models.batches import Feed
from examples.models.pairs import BATCH, prompts, save, told
from examples.models.tasks import uses, with_error
from examples.models.train import Recipe, fit
from m2kt.neural.models import load

STEPS = 250
RATE = 1e-3


def inherits(scene: Scene) -> Row:
    """Shares of held-out items through the planted fact on which teacher and student say the planted thing, and what
    both say elsewhere."""
    task, wrong = scene.task, with_error(scene.task, scene.fact)
    _train(scene)
    teacher = load(scene.root / "erring", torch.device("cpu"))
    packet, _ = teach(teacher, domain_of(task.name), scene.size, scene.seed)
    learned = align_all(scene, packet, (), "planted")
    memory = opened(scene.student, learned["packet"]["memory"])
    rng = random.Random(f"planted {REPORT} {task.name} {scene.seed}")
    asked = held_out_prompts(task, rng, task.lengths[-1:], scene.size.items)
    through = [check_of(task, wrong, prompt) for prompt in asked if uses(task, prompt, wrong)]
    beside = [check_of(task, scene.fact, prompt) for prompt in asked if not uses(task, prompt, wrong)]
    through = [check for check in through if check != check_of(task, scene.fact, check.prompt)]
    return {
        "items": len(through),
        "teacher_errs": accuracy(teacher, through),
        "student_errs": accuracy(scene.student, through, memory),
        "teacher_elsewhere": accuracy(teacher, beside),
        "student_elsewhere": accuracy(scene.student, beside, memory),
    }


def _train(scene: Scene) -> None:
    """Go on training the teacher, in a world with the error."""
    task, wrong = scene.task, with_error(scene.task, scene.fact)
    lm = load(scene.teacher.directory, torch.device("cpu"))
    lm.model.requires_grad_(True)
    lengths = (*task.lengths, *task.longer)
    feed = Feed(
        lm.tokenizer, lambda rng: prompts(task, rng, lengths), lambda each: told(task, wrong, each), (), BATCH, 0
    )
    fit(lm.model, feed, Recipe(STEPS, RATE, scene.seed, warmup=20))
    save(lm.model, lm.tokenizer, scene.root / "erring")
