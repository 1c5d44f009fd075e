"""Another world's packet: of a teacher of the domain that knows other facts. It must be good there, at chance here."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import torch

from bench.te.domain import guessing
from bench.te.judging import accuracy, opened, report_half, seal
from bench.te.settings import MODELS, OTHER_SEED
from bench.te.stages import Job, Row, Scene, align_jobs, domain_of, teach
from bench.te.trials import Trial
from examples.models.tasks import Fact, Task
from m2kt.neural.models import load
from student_agent.checks import Check


def rows(trial: Trial, models: Path) -> Iterator[Row]:
    """Judged there and here, on the items that ask something which the two worlds say differently; none where a domain
    has one world alone."""
    scene = trial.scene
    there = scene.task.world(OTHER_SEED)
    here = [check for check in trial.checks if differs(scene.task, check.prompt, scene.fact, there)]
    if not here:
        return
    asked = {check.prompt for check in here}
    sealed = seal(scene.task, there, scene.root / "sealed-there", scene.size.items, 2, scene.seed)
    own = [check for check in report_half(sealed.near) if check.prompt in asked]
    teacher = load(teacher_of(scene.task.name, models), torch.device("cpu"))
    packet, _ = teach(teacher, domain_of(scene.task.name), scene.size, scene.seed)
    learned = align_jobs(scene, {"other": Job(packet, scene.size.align_steps)}, "world")["other"]
    alike = sum(one.answer == other.answer for one, other in zip(here, own, strict=True))
    names = (f"world {OTHER_SEED}, judged there", f"judged here ({alike} items have one answer in both)")
    for name, checks, knowing in zip(names, (own, here), (teacher, scene.teacher), strict=True):
        told = {"group": "another world", "name": name, "items": len(checks), "chance": chance(scene, checks)}
        yield {**told, **_found(scene, learned, checks, accuracy(knowing, checks))}


def _found(scene: Scene, learned: Row, checks: list[Check], teacher: float) -> Row:
    if "memory" not in learned:
        return {"accuracy": None, "te": None, "refused": learned["refused"]}
    right = accuracy(scene.student, checks, opened(scene.student, learned["memory"]))
    return {"accuracy": right, "te": right / teacher}


def chance(scene: Scene, checks: list[Check]) -> float:
    """The larger of guessed facts and the untaught student, on these items."""
    return max(guessing(scene, checks), accuracy(scene.student, checks))


def differs(task: Task, prompt: str, here: Fact, there: Fact) -> bool:
    """Whether some fact that the prompt asks for here is another one there."""
    found = False

    def note(name: str, *symbols: str) -> str:
        nonlocal found
        said = here(name, *symbols)
        found = found or said != there(name, *symbols)
        return said

    task.solve(prompt, note)
    return found


def teacher_of(domain: str, models: Path) -> Path:
    """The kept one, or one that is trained now (minutes) and left in ``models``."""
    if domain == "chains":
        return MODELS / f"world-{OTHER_SEED}" / "teacher"
    home = models / f"{domain}-{OTHER_SEED}"
    if not (home / "teacher" / "config.json").is_file():
        command = ["-m", "examples.models.make", "--domain", domain, "--seed", str(OTHER_SEED), "--out", str(home)]
        subprocess.run([sys.executable, *command, "--only", "teacher"], check=True, stdout=sys.stderr)
    return home / "teacher"
