"""How large an experiment is. Quick ones take the kept models of one seed."""

from dataclasses import dataclass, field, replace
from pathlib import Path

MODELS = Path(__file__).parents[2] / "examples" / "models"
KEPT_SEED = 7
OUTPUTS = 150_000  # the paper's number of teacher outputs; one output is one decided symbol's logits
DOMAINS = ("chains", "columns", "brackets", "rules", "listops")

REPORT = "2026-11-23"
"""Names the items that rows are judged on. A new one whenever something was chosen with a look at earlier rows."""
EARLIER = ("",)
"""Names that were used before: items that they asked for are not asked again."""

CONTROLS = ("shuffled", "random", "noise-anchors", "no-roles")
"""Packets that must leave the student where it was."""
DRAWN = ("shuffled", "no-roles")
"""Controls of which several are drawn and averaged: a few facts shuffled once are half true by luck."""
COMPARISONS = ("answers-only", "recoverable", "deranged", "no-maps", "bag", "bag-shuffled")
"""Packets that teach, each for another reason; the last must not."""
BAGS = ("bag", "bag-shuffled")
"""Aligned without bindings: every pointer looks at the whole text alike, as if it were a bag of symbols. What concepts'
groundings are worth without R; with shuffled concepts, nothing."""


PARTS = ("packets", "KD", "edges", "gaps", "world", "labels")
"""Of the ablations; each can be made alone."""
OTHER_SEED = 11
"""Of the other world, whose packet must be worth nothing here."""


@dataclass(frozen=True)
class Kd:
    """The baseline's budget: steps are a cap, its validation decides."""

    outputs: int = OUTPUTS
    steps: int = 4000
    batch: int = 64
    rates: tuple[float, ...] = (1e-3, 2e-3, 4e-3)
    every: int = 200  # steps between two looks at validation
    patience: int = 4  # looks without a gain
    plateau_steps: int = 4000  # on fresh outputs, after the fixed set


@dataclass(frozen=True)
class Size:
    """One run of one domain."""

    probes: int = 6000
    align_steps: int = 300
    control_steps: int = 300
    items: int = 1000  # checks, half of them kept for the report
    long_items: int = 400
    validation: int = 300
    controls: tuple[str, ...] = CONTROLS
    draws: int = 3  # of each control in `DRAWN`
    comparisons: tuple[str, ...] = COMPARISONS
    kd: Kd = field(default_factory=Kd)
    planted: tuple[str, ...] = DOMAINS[1:]  # domains whose teacher is made to err


FULL = Size()
QUICK = Size(
    probes=4000,
    align_steps=60,
    control_steps=60,
    items=500,
    long_items=160,
    validation=120,
    kd=Kd(steps=600, rates=(3e-3,), every=100, patience=3, plateau_steps=200),
    planted=("brackets", "rules", "listops"),
)
PROBES = {"chains": 9000, "columns": 8000}  # some of their facts are rare, and a concept wants five states
KD_STEPS = {"chains": 3000, "columns": 1500, "listops": 900}
"""Caps of the baseline where many facts want more steps than `QUICK` gives; its validation decides when it ends."""


def probes_of(domain: str, size: Size) -> int:
    """How many probes an extraction asks."""
    return max(size.probes, PROBES.get(domain, 0))


def kd_of(domain: str, size: Size) -> Kd:
    """The baseline's budget, with at most twenty looks at validation: one costs as much as some dozens of steps."""
    steps = max(size.kd.steps, KD_STEPS.get(domain, 0))
    return replace(size.kd, steps=steps, every=max(size.kd.every, steps // 20))
