"""Boolean expressions with brackets as unlabelled prompts: surface form only, no truth table.

A prompt reads `( T and F ) xor T :`. Every pair but the outermost stands in brackets; whoever can works it out from the
innermost pair on the left.
"""

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

TRUTHS = ("T", "F")
CONNECTIVES = ("and", "or", "xor", "nand", "nor", "iff", "imp")
LENGTHS = (2, 3, 4)  # operands of a probe
LONGER = (5, 6)  # operands that no probe has
HOLD_OUT_FROM = 3  # operands; there are 28 shorter prompts
HOLD_OUT_BELOW = 26  # of 256, about one prompt in ten


def held_out(prompt: str) -> bool:
    """Whether this prompt is kept for checks: never a probe, never trained on."""
    if sum(word in TRUTHS for word in prompt.split()) < HOLD_OUT_FROM:
        return False
    return hashlib.sha256(prompt.encode()).digest()[0] < HOLD_OUT_BELOW


def draw_prompt(rng: random.Random, lengths: Sequence[int] = LENGTHS) -> str:
    """One prompt, held out or not, its number of operands drawn evenly from `lengths`."""
    return " ".join([*_pair(rng, rng.choice(lengths)), ":"])


def _pair(rng: random.Random, operands: int) -> list[str]:
    """Two sides and a connective; the left side gets an evenly drawn share of the operands."""
    left = rng.randrange(1, operands)
    return [*_side(rng, left), rng.choice(CONNECTIVES), *_side(rng, operands - left)]


def _side(rng: random.Random, operands: int) -> list[str]:
    return [rng.choice(TRUTHS)] if operands == 1 else ["(", *_pair(rng, operands), ")"]


def open_prompts(rng: random.Random, lengths: Sequence[int] = LENGTHS) -> Iterator[str]:
    """Prompts without end, none of them held out."""
    while True:
        prompt = draw_prompt(rng, lengths)
        if not held_out(prompt):
            yield prompt


@dataclass(frozen=True)
class Brackets:
    """The domain, as the entry-point group `m2kt.domains` wants it."""

    name: str = "brackets"
    version: str = "1.0.0"

    def probes(self, seed: int, count: int) -> Iterator[str]:
        """Give `count` unlabelled prompts; equal seeds give equal prompts."""
        return islice(open_prompts(random.Random(seed)), count)


DOMAIN = Brackets()
