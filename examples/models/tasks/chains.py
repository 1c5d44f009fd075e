"""The first domain (`examples.models.world`) in the form of the others."""

from collections.abc import Sequence

from examples.domains.chains.m2kt_domain_chains import DIGITS, TRUTHS, draw_prompt, held_out
from examples.models.tasks.task import Fact, Task
from examples.models.world import World, chain


def solve(prompt: str, fact: Fact) -> str:
    """Every step restated with its result."""
    return chain(prompt, lambda *asked: fact("step", *asked))[len(prompt) + 1 :]


def world(seed: int) -> Fact:
    """Modular arithmetic, booleans and the secret operator of the seed."""
    result = World.from_seed(seed).result
    return lambda _name, *asked: result(*asked)


def alphabets(_name: str, symbols: tuple[str, ...]) -> Sequence[str]:
    """Truth values after truth values, digits after digits."""
    return TRUTHS if symbols[0] in TRUTHS else DIGITS


TASK = Task(
    name="chains",
    draw=draw_prompt,
    held_out=held_out,
    lengths=(2, 3, 4),  # its teacher was trained on up to 6 operands: what is longer must be within that
    longer=(5, 6),
    solve=solve,
    world=world,
    alphabets=alphabets,
    answer=lambda text: text[-1],
    length=lambda prompt: len(prompt.split()) // 2,
    planted=("step", "3", "+", "5"),
)
