"""A teacher that errs: one fact is trained wrong, and the student must inherit exactly that.

``python -m bench.te.planting`` (spec on stdin, one JSON line) does it for a row that has been made already.
"""

import json
import random
import sys
from itertools import islice
from pathlib import Path

import torch

from bench.te.judging import accuracy, check_of, held_out_prompts, opened
from bench.te.settings import FULL, QUICK, REPORT
from bench.te.stages import Row, Scene, align_all, domain_of, make_scene, teach
from examples.models.batches import Feed
from examples.models.pairs import BATCH, prompts, save, told
from examples.models.tasks import Fact, Task, uses, with_error
from examples.models.train import Recipe, fit
from m2kt.neural.models import load, offline, set_threads
from student_agent.checks import Check

STEPS = 250
RATE = 1e-3
THROUGH = 40  # items wanted through the planted fact
BLOCKS = 40  # of as many prompts as a report has items, drawn at most to find them


def main() -> int:
    spec = json.loads(sys.stdin.read())
    offline()
    set_threads(1)
    size, root = QUICK if spec["quick"] else FULL, Path(spec["root"]) / "planting"
    scene = make_scene(spec["domain"], spec["seed"], size, root, Path(spec["models"]))
    print(json.dumps(inherits(scene)))
    return 0


def inherits(scene: Scene) -> Row:
    """Shares of held-out items through the planted fact on which teacher and student say the planted thing, and what
    both say elsewhere."""
    task, wrong = scene.task, with_error(scene.task, scene.fact)
    _train(scene)
    teacher = load(scene.root / "erring", torch.device("cpu"))
    packet, _ = teach(teacher, domain_of(task.name), scene.size, scene.seed)
    learned = align_all(scene, packet, (), "planted")
    memory = opened(scene.student, learned["packet"]["memory"])
    through, beside = draw(task, scene.fact, wrong, scene.size.items, scene.seed)
    return {
        "items": len(through),
        "teacher_errs": accuracy(teacher, through),
        "student_errs": accuracy(scene.student, through, memory),
        "teacher_elsewhere": accuracy(teacher, beside),
        "student_elsewhere": accuracy(scene.student, beside, memory),
    }


def draw(task: Task, fact: Fact, wrong: Fact, count: int, seed: int) -> tuple[list[Check], list[Check]]:
    """Held-out items through the planted fact whose answer it changes, with that answer; and items beside it."""
    rng = random.Random(f"planted {REPORT} {task.name} {seed}")
    through: dict[Check, None] = {}
    beside: list[Check] = []
    for _ in range(BLOCKS):
        prompts = held_out_prompts(task, rng, task.lengths[-1:], count)
        here = [prompt for prompt in prompts if uses(task, prompt, wrong)]
        changed = (check_of(task, wrong, prompt) for prompt in here)
        through |= {check: None for check in changed if check != check_of(task, fact, check.prompt)}
        beside = beside or [check_of(task, fact, prompt) for prompt in prompts if prompt not in here]
        if len(through) >= THROUGH:
            break
    return list(islice(through, count)), beside


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


if __name__ == "__main__":
    sys.exit(main())
