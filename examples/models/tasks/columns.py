"""Column by column: `5 7 + 8 6 : 7 + 6 = 13 , 3 c 1 ; 5 + 8 + 1 = 14 , 4 c 1 ; > 1 4 3`.

A difference lends ten to every column (`7 - 9 = 08 , 8 c 1`: ten too much and not paid back means a carry), so that
both signs write a column's value in two figures.
"""

from collections.abc import Sequence

from examples.domains.columns.m2kt_domain_columns import DIGITS, LENGTHS, LONGER, draw_prompt, held_out
from examples.models.tasks.task import Fact, Task

VALUES = tuple(f"{value:02d}" for value in range(20))


def solve(prompt: str, fact: Fact) -> str:
    """Every column from the right, then the carry and the figures from the left."""
    left, sign, right = _parts(prompt)
    steps, figures, carry = [], [], ""
    for a, b in zip(reversed(left), reversed(right), strict=True):
        asked = [sign, a, b, *([carry] if carry else [])]
        value = fact("value", *asked)
        digit, after = fact("digit", value), fact("carry", sign, value)
        last = f" {sign} {carry}" if carry else ""
        steps.append(f"{a} {sign} {b}{last} = {value} , {digit} c {after}")
        figures.append(digit)
        carry = after
    return " ; ".join([*steps, " ".join([">", carry, *reversed(figures)])])


def _parts(prompt: str) -> tuple[list[str], str, list[str]]:
    words = prompt.split()[:-1]
    middle = len(words) // 2
    return words[:middle], words[middle], words[middle + 1 :]


def world(_seed: int) -> Fact:
    """Decimal arithmetic, the same for every seed."""

    def fact(name: str, *symbols: str) -> str:
        if name == "value":
            sign, a, b, *carry = symbols
            taken = int(b) + int(carry[0] if carry else 0)
            return VALUES[int(a) + taken if sign == "+" else 10 + int(a) - taken]
        if name == "digit":
            return symbols[0][1]
        sign, value = symbols
        return "1" if (value >= "10") == (sign == "+") else "0"

    return fact


def alphabets(name: str, _symbols: tuple[str, ...]) -> Sequence[str]:
    """Two figures for a value, one for a digit, 0 or 1 for a carry."""
    return {"value": VALUES, "digit": tuple(DIGITS), "carry": ("0", "1")}[name]


TASK = Task(
    name="columns",
    draw=draw_prompt,
    held_out=held_out,
    lengths=LENGTHS,
    longer=LONGER,
    solve=solve,
    world=world,
    alphabets=alphabets,
    answer=lambda text: text[text.index(">") :],
    length=lambda prompt: len(prompt.split()) // 2 - 1,
    planted=("value", "+", "7", "5", "1"),
)
