"""Rule by rule: `every wumpus eats likes , hot ? wumpus eats yumpus ; yumpus likes tumpus ; so tumpus isnt hot`."""

import random
from collections.abc import Sequence
from itertools import product

from examples.domains.rules.m2kt_domain_rules import (
    KINDS,
    LENGTHS,
    LONGER,
    PROPERTIES,
    RELATIONS,
    draw_prompt,
    held_out,
)
from examples.models.tasks.task import Fact, Task

VERDICTS = ("is", "isnt")


def solve(prompt: str, fact: Fact) -> str:
    """One step for every relation, then the verdict."""
    _, kind, *relations, _, asked, _ = prompt.split()
    steps = []
    for relation in relations:
        other = fact("rule", kind, relation)
        steps.append(f"{kind} {relation} {other}")
        kind = other
    return " ; ".join([*steps, f"so {kind} {fact('verdict', kind, asked)} {asked}"])


def world(seed: int) -> Fact:
    """An ontology without pattern, drawn from the seed."""
    rng = random.Random(f"rules {seed}")
    table = {("rule", *pair): rng.choice(KINDS) for pair in product(KINDS, RELATIONS)}
    table |= {("verdict", *pair): rng.choice(VERDICTS) for pair in product(KINDS, PROPERTIES)}
    return lambda *asked: table[asked]


def alphabets(name: str, _symbols: tuple[str, ...]) -> Sequence[str]:
    """A kind for a rule, `is` or `isnt` for a verdict."""
    return KINDS if name == "rule" else VERDICTS


TASK = Task(
    name="rules",
    draw=draw_prompt,
    held_out=held_out,
    lengths=LENGTHS,
    longer=LONGER,
    solve=solve,
    world=world,
    alphabets=alphabets,
    answer=lambda text: text[text.index("so ") :],
    length=lambda prompt: sum(word in RELATIONS for word in prompt.split()),
    planted=("rule", "wumpus", "eats"),
)
