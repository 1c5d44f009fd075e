"""Chains of operands as unlabelled prompts: surface form only, no result and no operator table.

A prompt reads `3 + 5 * b # 7 :`. It is evaluated from left to right, by whoever can.
"""

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

DIGITS = "0123456789abcdef"
DIGIT_OPERATORS = "+-*#"
TRUTHS = "TF"
TRUTH_OPERATORS = "&|^"
LENGTHS = (2, 3, 4, 5, 6)

BOOLEAN_SHARE = 1 / 8
HOLD_OUT_FROM = 4  # operands; there are too few shorter prompts to keep any back
HOLD_OUT_BELOW = 26  # of 256, about one prompt in ten


def held_out(prompt: str) -> bool:
    """Whether this prompt is kept for checks: never a probe, never trained on."""
    if len(prompt.split()) // 2 < HOLD_OUT_FROM:
        return False
    return hashlib.sha256(prompt.encode()).digest()[0] < HOLD_OUT_BELOW


def draw_prompt(rng: random.Random, lengths: Sequence[int] = LENGTHS) -> str:
    """One prompt, held out or not, its number of operands drawn evenly from `lengths`."""
    boolean = rng.random() < BOOLEAN_SHARE
    operands, operators = (TRUTHS, TRUTH_OPERATORS) if boolean else (DIGITS, DIGIT_OPERATORS)
    length = rng.choice(lengths)
    words = [rng.choice(operands)]
    for _ in range(length - 1):
        words += [rng.choice(operators), rng.choice(operands)]
    return " ".join([*words, ":"])


def open_prompts(rng: random.Random, lengths: Sequence[int] = LENGTHS) -> Iterator[str]:
    """Prompts without end, none of them held out."""
    while True:
        prompt = draw_prompt(rng, lengths)
        if not held_out(prompt):
            yield prompt


@dataclass(frozen=True)
class Chains:
    """The domain, as the entry-point group `m2kt.domains` wants it."""

    name: str = "chains"
    version: str = "1.0.0"

    def probes(self, seed: int, count: int) -> Iterator[str]:
        """Give `count` unlabelled prompts; equal seeds give equal prompts."""
        return islice(open_prompts(random.Random(seed)), count)


DOMAIN = Chains()
