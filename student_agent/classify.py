"""What a student says of new inputs with a grounded head: its own states, one symbol each. No teacher is needed."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from m2kt.errors import AlignmentRefused, UsageError
from m2kt.inputs import Inputs, read_inputs, read_labelled
from m2kt.neural.chosen import encoder_of
from m2kt.neural.encoders import Encoder
from m2kt.neural.models import offline, set_threads
from student_agent.grounded import Grounded, load


@dataclass(frozen=True)
class Answer:
    """The likeliest symbol of one input, and the probability that the head gives it; it was never calibrated."""

    item: str
    symbol: str
    confidence: float


def classify(
    head: Path, model: Path | None, texts: Sequence[str], file: Path | None, threads: int | None = None
) -> list[Answer]:
    """Answers about ``texts``, or about the inputs in ``file``."""
    if bool(texts) == bool(file):
        raise UsageError("give texts, or a file of inputs", hint="`classify TEXT... ` or `classify --file FILE`.")
    if any(not each.strip() for each in texts):
        raise UsageError("an empty text has no state", hint="Leave it out.")
    return answers(head, model, read_inputs(file) if file else tuple(texts), threads)


def answers(head: Path, model: Path | None, items: Inputs, threads: int | None = None) -> list[Answer]:
    """Answers about ``items``, in order."""
    made, student = _opened(head, model, "text" if isinstance(items, tuple) else "image", threads)
    logits = made.logits(student.encode(items))
    likely = np.exp(logits - logits.max(1, keepdims=True))
    likely /= likely.sum(1, keepdims=True)
    named = items if isinstance(items, tuple) else [f"image {number}" for number in range(len(items))]
    rows = zip(named, likely.argmax(1), likely.max(1), strict=True)
    return [Answer(item, made.symbols[best], float(sure)) for item, best, sure in rows]


def score(head: Path, model: Path | None, labelled: Path, threads: int | None = None) -> str:
    """How often the head is right about labelled inputs, beside always saying their commonest label."""
    held = read_labelled(labelled)
    known = set(load(head)[0].symbols)
    if strange := sorted(set(held.labels) - known):
        raise UsageError(
            f"{labelled} has labels that the packet does not say: {', '.join(map(repr, strange[:5]))}",
            hint=f"The packet's symbols: {', '.join(sorted(known))}.",
        )
    said = answers(head, model, held.items, threads)
    right = sum(each.symbol == label for each, label in zip(said, held.labels, strict=True))
    commonest = Counter(held.labels).most_common(1)[0][1]
    count = len(held.labels)
    return f"right {right} of {count}: {right / count:.3f} (the commonest label: {commonest / count:.3f})"


def _opened(head: Path, model: Path | None, kind: str, threads: int | None) -> tuple[Grounded, Encoder]:
    """The head and its student, read as it was grounded; `AlignmentRefused` for another student."""
    offline()
    set_threads(threads)
    made, card = load(head)
    reads: dict[str, Any] = card["reads"]
    if "encoder" not in reads and model is None:
        raise UsageError("the head was grounded in a Hugging Face directory", hint="Name it with --model.")
    student = encoder_of({**reads, **({} if "encoder" in reads else {"model": str(model)})}, kind)
    found = student.sha256
    if found != card["student_sha256"]:
        raise AlignmentRefused(
            f"this head was grounded in another student: {card['student_sha256']}, and this one is {found}",
            hint="Name the model that it was grounded in, or ground the packet in this one.",
        )
    return made, student
