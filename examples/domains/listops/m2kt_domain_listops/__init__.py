"""Nested list operations as unlabelled prompts: surface form only, no result and no operator table.

A prompt reads `[ max 2 9 [ min 4 7 ] 0 ] :`. Whoever can works it out list by list, inner lists first, folding each
from the left.
"""

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice, product

DIGITS = "0123456789"
OPERATORS = ("max", "min", "sm", "zap")
LENGTHS = (2, 3, 4, 5)  # digits of a probe
LONGER = (6, 7)  # digits that no probe has
HOLD_OUT_FROM = 3  # digits; there are 400 shorter prompts
HOLD_OUT_BELOW = 26  # of 256, about one prompt in ten


def held_out(prompt: str) -> bool:
    """Whether this prompt is kept for checks: never a probe, never trained on."""
    if sum(word in DIGITS for word in prompt.split()) < HOLD_OUT_FROM:
        return False
    return hashlib.sha256(prompt.encode()).digest()[0] < HOLD_OUT_BELOW


@lru_cache
def outlines(digits: int) -> tuple[tuple[int, ...], ...]:
    """How many digits each argument of the outer list holds: 1 is a digit, more an inner list of so many."""
    return tuple(each for arity in (2, 3) for each in product((1, 2, 3), repeat=arity) if sum(each) == digits)


def draw_prompt(rng: random.Random, lengths: Sequence[int] = LENGTHS) -> str:
    """One prompt, held out or not, its number of digits drawn evenly from `lengths`."""
    words = ["[", rng.choice(OPERATORS)]
    for size in rng.choice(outlines(rng.choice(lengths))):
        digits = [rng.choice(DIGITS) for _ in range(size)]
        words += digits if size == 1 else ["[", rng.choice(OPERATORS), *digits, "]"]
    return " ".join([*words, "]", ":"])


def open_prompts(rng: random.Random, lengths: Sequence[int] = LENGTHS) -> Iterator[str]:
    """Prompts without end, none of them held out."""
    while True:
        prompt = draw_prompt(rng, lengths)
        if not held_out(prompt):
            yield prompt


@dataclass(frozen=True)
class ListOps:
    """The domain, as the entry-point group `m2kt.domains` wants it."""

    name: str = "listops"
    version: str = "1.0.0"

    def probes(self, seed: int, count: int) -> Iterator[str]:
        """Give `count` unlabelled prompts; equal seeds give equal prompts."""
        return islice(open_prompts(random.Random(seed)), count)


DOMAIN = ListOps()
