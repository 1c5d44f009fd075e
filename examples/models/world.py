"""The world that the teacher knows: modular arithmetic, booleans, and one secret operator `#`."""

import operator
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from examples.domains.chains.m2kt_domain_chains import DIGITS, TRUTHS

Rule: TypeAlias = Callable[[str, str, str], str]  # (left, operator, right) -> result

_ARITHMETIC: dict[str, Callable[[int, int], int]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
}
_LOGIC: dict[str, Callable[[bool, bool], bool]] = {
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
}


@dataclass(frozen=True)
class World:
    """Operators over base-16 digits (mod 16) and truth values; `#` is a table without pattern."""

    secret: tuple[str, ...]  # 256 digits, row by left operand

    @classmethod
    def from_seed(cls, seed: int) -> "World":
        """Draw the secret table; the other operators are the same in every world."""
        rng = random.Random(f"world {seed}")
        return cls(tuple(rng.choice(DIGITS) for _ in range(256)))

    def result(self, left: str, op: str, right: str) -> str:
        """What one step gives."""
        if op in _LOGIC:
            return "T" if _LOGIC[op](left == "T", right == "T") else "F"
        a, b = DIGITS.index(left), DIGITS.index(right)
        if op == "#":
            return self.secret[16 * a + b]
        return DIGITS[_ARITHMETIC[op](a, b) % 16]


def ignorance(rng: random.Random) -> Rule:
    """A rule that draws every result evenly from the alphabet of its operands: form, no facts."""
    return lambda left, _op, _right: rng.choice(TRUTHS if left in TRUTHS else DIGITS)


def steps(prompt: str, rule: Rule) -> list[str]:
    """Every step restated with its result: `3 + 5 * b :` gives `3 + 5 = 8`, `8 * b = 8`."""
    words = prompt.split()
    left, written = words[0], []
    for op, right in zip(words[1:-1:2], words[2:-1:2], strict=True):
        result = rule(left, op, right)
        written.append(f"{left} {op} {right} = {result}")
        left = result
    return written


def chain(prompt: str, rule: Rule) -> str:
    """The prompt with its continuation, as the models see it (without the end mark)."""
    return f"{prompt} {' ; '.join(steps(prompt, rule))}"


def answer(prompt: str, world: World) -> str:
    """The symbol at the end of the true continuation."""
    return steps(prompt, world.result)[-1][-1]


def well_formed(prompt: str, continuation: str) -> bool:
    """Whether the steps restate the prompt faithfully, whatever results they claim."""
    claimed = iter(step.rpartition(" ")[2] for step in continuation.split(" ; "))

    def repeat(left: str, _op: str, _right: str) -> str:
        result = next(claimed, "")
        alphabet = TRUTHS if left in TRUTHS else DIGITS
        return result if len(result) == 1 and result in alphabet else "?"

    return "?" not in (said := " ; ".join(steps(prompt, repeat))) and said == continuation
