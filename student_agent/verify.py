"""The verification job: does the student behave better with the memory, and is it unharmed elsewhere?"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from m2kt.agent.child import progress
from m2kt.errors import UsageError
from m2kt.neural.decode import by_length
from m2kt.neural.forward import batched, in_batches
from m2kt.neural.models import LanguageModel, load, offline, pick_device, set_threads
from student_agent.activation import State
from student_agent.aligned import AlignedStudent
from student_agent.artifact import load_student
from student_agent.checks import Check, accuracy_by_tag, is_right, read_checks
from student_agent.specs import check_spec
from student_agent.statistics import improvement_bound, lower_bound

REQUIRED = ("model", "checks")
OPTIONAL = (
    "memories",
    "beside",
    "replaced",
    "others",
    "state",
    "general",
    "part",
    "device",
    "threads",
    "max_new_tokens",
    "confidence",
)


@dataclass(frozen=True)
class Behaviour:
    """How a student did: right or wrong per check, and perplexity on text outside the domain."""

    right: tuple[bool, ...]
    perplexity: float | None

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return sum(self.right) / len(self.right)


def run(spec: dict[str, Any]) -> dict[str, Any]:
    """Spec: ``model`` directory, ``checks`` file; optional ``memories`` (directories), ``state`` (its active memories),
    ``beside`` (memories in force both before and after), ``replaced`` (memories that the new ones take the place of:
    how the student does with them is told too), ``others`` (name to memories: sets that are tried instead, each against
    the same *before*, told under ``others``), ``general`` text file, ``part`` (decide, report or
    all), ``device``, ``threads``, ``max_new_tokens``, ``confidence``. Without memories only *before* is told.
    """
    check_spec(spec, REQUIRED, OPTIONAL)
    offline()
    set_threads(spec.get("threads"))
    trial = _trial(spec)
    before = trial.behave([], "student before")
    result = {"items": len(trial.checks), "device": str(trial.lm.device), **_told("before", trial.checks, before)}
    directories = [Path(each) for each in spec.get("memories", ())]
    directories += State(Path(spec["state"])).memories() if spec.get("state") else []
    if spec.get("replaced") and directories:
        older = trial.behave(list(map(Path, spec["replaced"])), "older version")
        result |= _told("replaced", trial.checks, older)
    if directories:
        result |= trial.compared(before, directories, "student after")
    if spec.get("others"):
        sets = {name: list(map(Path, memories)) for name, memories in spec["others"].items()}
        result["others"] = {name: trial.compared(before, memories, name) for name, memories in sets.items()}
    return result


@dataclass(frozen=True)
class Trial:
    """One student, one set of checks; which memories it uses varies."""

    lm: LanguageModel
    checks: list[Check]
    general: list[str]
    beside: list[Path]
    longest: int
    confidence: float

    def behave(self, memories: list[Path], step: str) -> Behaviour:
        """With ``memories`` beside those that are always in force."""
        student = load_student(self.lm, [*self.beside, *memories])
        return behave(student, self.checks, self.general, self.longest, step)

    def compared(self, before: Behaviour, memories: list[Path], step: str) -> dict[str, Any]:
        """How it did with ``memories``, against ``before``."""
        after = self.behave(memories, step)
        return {**_told("after", self.checks, after), **compare(before, after, self.confidence)}


def _trial(spec: dict[str, Any]) -> Trial:
    return Trial(
        checks=read_checks(Path(spec["checks"]), spec.get("part", "all")),
        general=read_sentences(Path(spec["general"])) if spec.get("general") else [],
        lm=load(spec["model"], pick_device(spec.get("device", "auto"))),
        beside=[Path(each) for each in spec.get("beside", ())],
        longest=int(spec.get("max_new_tokens", 96)),
        confidence=float(spec.get("confidence", 0.95)),
    )


def behave(
    student: AlignedStudent, checks: Sequence[Check], general: Sequence[str], longest: int, step: str
) -> Behaviour:
    """Answer every check greedily and read the general text."""
    right: list[bool] = []
    for part in batched(len(checks), 200):
        written = student.write([each.prompt for each in checks[part]], longest)
        right += [is_right(check, text) for check, text in zip(checks[part], written, strict=True)]
        progress(step, len(right), len(checks))
    return Behaviour(tuple(right), perplexity(student, general) if general else None)


def compare(before: Behaviour, after: Behaviour, confidence: float) -> dict[str, Any]:
    """The paired difference and its lower bound (`statistics.improvement_bound`)."""
    pairs = list(zip(before.right, after.right, strict=True))
    gained = sum(after and not before for before, after in pairs)
    lost = sum(before and not after for before, after in pairs)
    return {
        "gained": gained,
        "lost": lost,
        "confidence": confidence,
        "improvement": (gained - lost) / len(pairs),
        "improvement_low": improvement_bound(gained, lost, len(pairs), confidence),
        "accuracy_low_after": lower_bound(sum(after.right), len(pairs), confidence),
    }


def _told(when: str, checks: Sequence[Check], behaviour: Behaviour) -> dict[str, Any]:
    return {
        f"accuracy_{when}": behaviour.accuracy,
        f"by_tag_{when}": accuracy_by_tag(checks, behaviour.right),
        f"perplexity_{when}": behaviour.perplexity,
    }


def read_sentences(path: Path) -> list[str]:
    """Lines of a text file that hold something."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}") from error
    return [line for line in lines if line.strip()]


@torch.inference_mode()
def perplexity(student: AlignedStudent, texts: Sequence[str]) -> float:
    """exp of the mean negative log-likelihood per token, over all tokens but each text's first."""
    rows = [row for row in student.lm.tokenizer(list(texts))["input_ids"] if len(row) > 1]
    total, count = 0.0, 0
    for _, ids in by_length(rows):
        for part, loss in in_batches(student.lm, len(ids), ids.shape[1], _loss_of(student, ids), each=8):
            total += loss
            count += ids[part][:, 1:].numel()
    if not count:
        raise UsageError("the general text has no sentence of two tokens or more")
    return math.exp(total / count)


def _loss_of(student: AlignedStudent, ids: Tensor) -> Callable[[slice], float]:
    """Negative log-likelihood of rows of ``ids`` (B, T), summed over all tokens but the first."""

    def loss(part: slice) -> float:
        logs = student.logits(ids[part]).float().log_softmax(-1)[:, :-1].cpu()
        return -float(logs.gather(-1, ids[part][:, 1:, None]).double().sum())

    return loss
