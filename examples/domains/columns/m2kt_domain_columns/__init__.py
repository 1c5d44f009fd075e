"""Sums and differences of decimal numbers as unlabelled prompts: surface form only, no result.

A prompt reads `5 7 + 8 6 :`. It is worked out column by column from the right, by whoever can.
"""

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

DIGITS = "0123456789"
OPERATORS = "+-"
LENGTHS = (2, 3, 4)  # columns of a probe
LONGER = (5, 6)  # columns that no probe has
HOLD_OUT_BELOW = 26  # of 256, about one prompt in ten


def held_out(prompt: str) -> bool:
    """Whether this prompt is kept for checks: never a probe, never trained on."""
    return hashlib.sha256(prompt.encode()).digest()[0] < HOLD_OUT_BELOW


def draw_prompt(rng: random.Random, lengths: Sequence[int] = LENGTHS) -> str:
    """One prompt, held out or not, its number of columns drawn evenly from `lengths`; no difference is negative."""
    columns, sign = rng.choice(lengths), rng.choice(OPERATORS)
    numbers = [rng.randrange(10**columns) for _ in range(2)]
    if sign == "-":
        numbers.sort(reverse=True)
    left, right = (" ".join(f"{number:0{columns}d}") for number in numbers)
    return f"{left} {sign} {right} :"


def open_prompts(rng: random.Random, lengths: Sequence[int] = LENGTHS) -> Iterator[str]:
    """Prompts without end, none of them held out."""
    while True:
        prompt = draw_prompt(rng, lengths)
        if not held_out(prompt):
            yield prompt


@dataclass(frozen=True)
class Columns:
    """The domain, as the entry-point group `m2kt.domains` wants it."""

    name: str = "columns"
    version: str = "1.0.0"

    def probes(self, seed: int, count: int) -> Iterator[str]:
        """Give `count` unlabelled prompts; equal seeds give equal prompts."""
        return islice(open_prompts(random.Random(seed)), count)


DOMAIN = Columns()
