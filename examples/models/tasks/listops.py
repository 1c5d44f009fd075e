"""List by list: `[ max 2 [ min 4 7 ] 0 ] : min 4 7 = 4 ; max 2 4 = 4 ; max 4 0 = 4`."""

import random
from collections.abc import Callable, Iterator, Sequence

from examples.domains.listops.m2kt_domain_listops import DIGITS, LENGTHS, LONGER, draw_prompt, held_out
from examples.models.tasks.task import Fact, Task

_OPERATORS: dict[str, Callable[[int, int], int]] = {"max": max, "min": min, "sm": lambda a, b: (a + b) % 10}


def solve(prompt: str, fact: Fact) -> str:
    """One step for every pair that is folded, in the order in which the lists close."""
    steps: list[str] = []
    words = iter(prompt.split()[1:-1])
    _fold(words, fact, steps)
    return " ; ".join(steps)


def _fold(words: Iterator[str], fact: Fact, steps: list[str]) -> str:
    """The value of the list whose opening bracket was just read."""
    name, arguments = next(words), []
    for word in words:
        if word == "]":
            break
        arguments.append(_fold(words, fact, steps) if word == "[" else word)
    value = arguments[0]
    for other in arguments[1:]:
        result = fact("fold", name, value, other)
        steps.append(f"{name} {value} {other} = {result}")
        value = result
    return value


def world(seed: int) -> Fact:
    """`max`, `min`, the sum modulo 10, and `zap`: a table without pattern, drawn from the seed."""
    rng = random.Random(f"listops {seed}")
    secret = [rng.choice(DIGITS) for _ in range(100)]

    def fact(_name: str, name: str, left: str, right: str) -> str:
        a, b = int(left), int(right)
        return secret[10 * a + b] if name == "zap" else DIGITS[_OPERATORS[name](a, b)]

    return fact


def alphabets(_name: str, _symbols: tuple[str, ...]) -> Sequence[str]:
    """The ten digits."""
    return DIGITS


TASK = Task(
    name="listops",
    draw=draw_prompt,
    held_out=held_out,
    lengths=LENGTHS,
    longer=LONGER,
    solve=solve,
    world=world,
    alphabets=alphabets,
    answer=lambda text: text.rpartition(" ")[2],
    length=lambda prompt: sum(word in DIGITS for word in prompt.split()),
    planted=("fold", "sm", "3", "4"),
)
