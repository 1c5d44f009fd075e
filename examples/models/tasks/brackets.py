"""Inner pairs first: `( T and F ) xor T : T and F = F ; F xor T = T`. A check asks for the whole derivation, since a
coin knows half of all last symbols."""

import operator
from collections.abc import Callable, Iterator, Sequence

from examples.domains.brackets.m2kt_domain_brackets import LENGTHS, LONGER, TRUTHS, draw_prompt, held_out
from examples.models.tasks.task import Fact, Task

_CONNECTIVES: dict[str, Callable[[bool, bool], bool]] = {
    "and": operator.and_,
    "or": operator.or_,
    "xor": operator.xor,
    "nand": lambda a, b: not (a and b),
    "nor": lambda a, b: not (a or b),
    "iff": operator.eq,
    "imp": operator.le,
}


def solve(prompt: str, fact: Fact) -> str:
    """One step for every pair, in the order in which their brackets close."""
    steps: list[str] = []
    _value(iter(["(", *prompt.split()[:-1], ")"]), fact, steps)
    return " ; ".join(steps)


def _value(words: Iterator[str], fact: Fact, steps: list[str]) -> str:
    word = next(words)
    if word != "(":
        return word
    left, connective, right, _ = _value(words, fact, steps), next(words), _value(words, fact, steps), next(words)
    result = fact("pair", left, connective, right)
    steps.append(f"{left} {connective} {right} = {result}")
    return result


def world(_seed: int) -> Fact:
    """Classical logic, the same for every seed."""

    def fact(_name: str, left: str, connective: str, right: str) -> str:
        return "T" if _CONNECTIVES[connective](left == "T", right == "T") else "F"

    return fact


def alphabets(_name: str, _symbols: tuple[str, ...]) -> Sequence[str]:
    """The two truth values."""
    return TRUTHS


TASK = Task(
    name="brackets",
    draw=draw_prompt,
    held_out=held_out,
    lengths=LENGTHS,
    longer=LONGER,
    solve=solve,
    world=world,
    alphabets=alphabets,
    answer=lambda text: text,
    length=lambda prompt: sum(word in TRUTHS for word in prompt.split()),
    planted=("pair", "T", "imp", "F"),
)
