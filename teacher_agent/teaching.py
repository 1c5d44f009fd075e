"""The concepts job: what an encoder knows of a task without steps, as a signed packet of static concepts.

1. Read the labelled items, the probes and the anchor set; no probe is an item that the teacher was trained on.
2. The teacher encodes them; a linear head is trained on its states of the labelled items, and judged by
   cross-validation on them: a teacher at chance is refused.
3. Concepts are made of the probes alone, by what the teacher says of each. Labels and items stay here.
4. Sign, write, publish.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m2kt.anchors import read_set
from m2kt.errors import ExtractionRefused, ManifestError, UsageError
from m2kt.inputs import Inputs, Labelled, raw, read_inputs, read_labelled, together
from m2kt.neural.chosen import CHOICES, encoder_of
from m2kt.neural.encoders import Encoder, States
from m2kt.neural.linear import FOLDS, folds, one_hot, train, tuned
from m2kt.neural.models import offline, set_threads
from m2kt.packet import DomainRef
from m2kt.packet import fields as rule
from m2kt.packet.static import LEAST_SUPPORT, StaticKnowledge
from m2kt.signing.keys import load_private
from teacher_agent import static
from teacher_agent.agreement import MARGIN
from teacher_agent.anchoring import check, title_of
from teacher_agent.publishing import deliver

REQUIRED = ("labelled", "probes", "set", "name", "version", "key", "out")
OPTIONAL = (*CHOICES, "domain", "count", "seed", "force", "licence", "threads", "broker", "project", "session")
COUNT = 1000
"""Concepts asked for; fewer where probes do not support them."""
LEAST_ITEMS = 5
"""Labelled items below which a label cannot be learned, nor judged on items left out."""

ONE_SIDED = 1.645
"""Standard deviations that luck exceeds once in twenty times."""


@dataclass(frozen=True)
class Task:
    """What a teacher is asked: labelled ``items`` with the number of each one's symbol (n,), and unlabelled probes."""

    items: Inputs
    labels: NDArray[np.int64]
    symbols: tuple[str, ...]
    probes: Inputs
    left_out: int
    """Probes that were training items, or stood there twice."""


@dataclass(frozen=True, eq=False)
class Taught:
    """Concepts, and how often the teacher was right on labelled items that it had not seen."""

    knowledge: StaticKnowledge
    accuracy: float
    chance: float


def task_of(labelled: Labelled, probes: Inputs) -> Task:
    """Symbols in alphabetical order; `UsageError` for labels that cannot be taught, or when no probes are left."""
    together((labelled.items, probes))
    counts = Counter(labelled.labels)
    rare = {label: count for label, count in sorted(counts.items()) if count < LEAST_ITEMS}
    if rare or len(counts) < 2:
        few = ", ".join(f"{label!r} has {count}" for label, count in list(rare.items())[:5])
        raise UsageError(
            f"labels with too few items: {few}" if rare else f"there is one label only, {labelled.labels[0]!r}",
            hint=f"Two labels or more, with at least {LEAST_ITEMS} items each; leave out what is rarer.",
        )
    symbols = tuple(sorted(counts))
    for symbol in symbols:
        _require_symbol(symbol)
    kept = _outside(labelled.items, probes)
    if len(kept) < LEAST_SUPPORT * len(symbols):
        raise UsageError(
            f"{len(kept)} probes are left outside the labelled items, {LEAST_SUPPORT * len(symbols)} are needed "
            f"({LEAST_SUPPORT} for each of {len(symbols)} labels)",
            hint="Give more inputs of the same kind; they need no labels.",
        )
    chosen: Inputs = probes[kept] if isinstance(probes, np.ndarray) else tuple(probes[row] for row in kept)
    number = {symbol: place for place, symbol in enumerate(symbols)}
    labels = np.array([number[each] for each in labelled.labels])
    return Task(labelled.items, labels, symbols, chosen, len(probes) - len(kept))


def _outside(items: Inputs, probes: Inputs) -> list[int]:
    """Rows of the probes that are no training items, each input once."""
    seen = {raw(each) for each in items}
    first = {raw(each): row for row, each in reversed(list(enumerate(probes)))}
    return sorted(row for each, row in first.items() if each not in seen)


def _require_symbol(symbol: str) -> None:
    try:
        rule.token(symbol, f"the label {symbol[:40]!r}")
    except ManifestError as error:
        raise UsageError(error.detail, hint="Give it a shorter or plainer name.") from error


def teach(encoder: Encoder, task: Task, count: int, seed: int, force: bool = False) -> Taught:
    """At most ``count`` concepts of what ``encoder``, with a head trained on the labelled items, says of the probes.

    `ExtractionRefused` when the head is at chance on items left out (unless ``force``), and when a symbol is said of
    too few probes to have a concept: no student could ever answer it.
    """
    states, asked = (_finite(encoder.encode(each)) for each in (task.items, task.probes))
    targets = one_hot(task.labels, len(task.symbols))
    accuracy, chance = judged(states, task.labels, targets, seed)
    if not force:
        _require_above_chance(accuracy, chance, len(task.labels))
    head = tuned(states, targets, seed)
    said = head.answers(asked)
    _require_said(said, task.symbols)
    return Taught(static.concepts(asked, said, task.symbols, count, seed), accuracy, chance)


def judged(states: States, labels: NDArray[np.int64], targets: States, seed: int) -> tuple[float, float]:
    """Share of the items that heads get right which saw the other four fifths, and the share of the commonest label."""
    fold, right = folds(len(states), seed), 0
    for number in range(FOLDS):
        out = fold == number
        right += int((train(states[~out], targets[~out]).answers(states[out]) == labels[out]).sum())
    return right / len(labels), float(np.bincount(labels).max() / len(labels))


def _require_above_chance(accuracy: float, chance: float, items: int) -> None:
    """Above chance is by a margin, and by more than luck with so few items would give once in twenty times."""
    luck = ONE_SIDED * (chance * (1 - chance) / items) ** 0.5
    if accuracy <= chance + max(MARGIN, luck):
        raise ExtractionRefused(
            f"the teacher is at chance: it is right about {accuracy:.2f} of {items} labelled items that it did not see "
            f"when asked; always saying the commonest label is right about {chance:.2f}",
            hint="Give more labelled items, another layer, pooling or prompt, or force it (force) if guesses will do.",
        )


def _require_said(said: NDArray[np.int64], symbols: tuple[str, ...]) -> None:
    counts = np.bincount(said, minlength=len(symbols))
    if rare := [f"{symbols[each]!r} of {counts[each]}" for each in np.flatnonzero(counts < LEAST_SUPPORT)]:
        raise ExtractionRefused(
            f"of too few probes the teacher says {', '.join(rare[:5])}; a concept needs {LEAST_SUPPORT}",
            hint="Give more probes that are like these labels' items, or leave the labels out.",
        )


def _finite(states: States) -> States:
    if not np.isfinite(states).all():
        raise ExtractionRefused("the teacher's states hold NaN or an infinity")
    return states


def run(spec: dict[str, Any]) -> dict[str, Any]:
    """Spec: ``model`` directory or ``encoder`` with how a state is read (`m2kt.neural.chosen`), ``labelled`` file,
    ``probes`` file or list of them, ``set`` file (the anchors that pair these concepts), ``name``, ``version``,
    ``key``, ``out``; optional ``domain`` (NAME or NAME@VERSION), ``count`` of concepts, ``seed``, ``force``,
    ``licence``, ``threads``, and ``broker`` URL with ``project`` there and ``session``."""
    check(spec, REQUIRED, OPTIONAL, "concepts")
    offline()
    set_threads(spec.get("threads"))
    count, seed = (_whole(spec, name, usual) for name, usual in (("count", COUNT), ("seed", 0)))
    title, key = title_of(spec, domain_of(spec)), load_private(Path(spec["key"]))
    # 1.
    probes = [spec["probes"]] if isinstance(spec["probes"], str) else spec["probes"]
    held = read_set(Path(spec["set"]))
    task = task_of(read_labelled(Path(spec["labelled"])), together([read_inputs(Path(each)) for each in probes]))
    # 2. and 3.
    encoder = encoder_of(spec, "text" if isinstance(task.items, tuple) else "image")
    made = teach(encoder, task, count, seed, bool(spec.get("force")))
    asked = len(task.items) + len(task.probes)
    told = {"teacher_accuracy": made.accuracy, "teacher_chance": made.chance}
    packet = static.build(made.knowledge, title, encoder.describe(), encoder.reading, held.digest, asked, seed, told)
    # 4.
    return {
        **deliver(packet, key, spec),
        "concepts": len(made.knowledge.centroids),
        "symbols": list(task.symbols),
        "probes": len(task.probes),
        "probes_left_out": task.left_out,
        **told,
        "set_sha256": held.digest,
        "ledger": dict(packet.manifest.ledger),
    }


def _whole(spec: Mapping[str, Any], name: str, usual: int) -> int:
    value = spec.get(name, usual)
    least = int(name != "seed")
    if type(value) is not int or not least <= value < 2**31:
        raise UsageError(f"{name} is a whole number from {least}, not {value!r}")
    return value


def domain_of(spec: Mapping[str, Any]) -> DomainRef:
    """The task's name and version; without one, the last part of the packet's name, 1.0.0."""
    usual = rule.name(spec["name"], "name").rpartition("/")[2]
    name, _, version = str(spec.get("domain") or usual).partition("@")
    return DomainRef(rule.name(name, "domain"), rule.version(version or "1.0.0", "version of the domain"))
