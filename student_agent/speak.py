"""What a student with its active packets says."""

from pathlib import Path

from m2kt.neural.models import load, offline, pick_device
from student_agent.activation import State
from student_agent.aligned import AlignedStudent
from student_agent.artifact import load_student


def active_student(model: Path, state: Path | None, device: str) -> AlignedStudent:
    """The student of ``model`` with every packet in force in ``state``."""
    offline()
    lm = load(model, pick_device(device))
    return load_student(lm, State(state).memories() if state else [])


def continue_prompt(model: Path, state: Path | None, prompt: str, max_new_tokens: int, device: str) -> str:
    """Greedy continuation of one prompt."""
    return active_student(model, state, device).write([prompt], max_new_tokens)[0]
