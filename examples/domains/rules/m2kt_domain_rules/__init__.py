"""Questions about fictional kinds as unlabelled prompts: no rule stands in them.

A prompt reads `every wumpus eats likes , hot ?`: is what is liked by what every wumpus eats hot? The rules
(`every wumpus eats yumpus`, `no tumpus is hot`) must be known by heart.
"""

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

# fmt: off
KINDS = (
    "wumpus", "yumpus", "zumpus", "dumpus", "rompus", "numpus", "tumpus", "vumpus", "impus", "jompus",
    "gorpus", "shumpus", "lempus", "sterpus", "grimpus", "lorpus", "brimpus", "kerpus", "timpus", "yerpus",
)
# fmt: on
RELATIONS = ("eats", "fears", "likes", "hunts", "serves")
PROPERTIES = ("hot", "red", "loud", "shy", "round", "sweet")
LENGTHS = (1, 2, 3)  # relations of a probe
LONGER = (4, 5)  # relations that no probe has
HOLD_OUT_FROM = 2  # relations; there are 600 shorter prompts, and each is the only one with its facts
HOLD_OUT_BELOW = 26  # of 256, about one prompt in ten


def held_out(prompt: str) -> bool:
    """Whether this prompt is kept for checks: never a probe, never trained on."""
    if sum(word in RELATIONS for word in prompt.split()) < HOLD_OUT_FROM:
        return False
    return hashlib.sha256(prompt.encode()).digest()[0] < HOLD_OUT_BELOW


def draw_prompt(rng: random.Random, lengths: Sequence[int] = LENGTHS) -> str:
    """One prompt, held out or not, its number of relations drawn evenly from `lengths`."""
    relations = [rng.choice(RELATIONS) for _ in range(rng.choice(lengths))]
    return " ".join(["every", rng.choice(KINDS), *relations, ",", rng.choice(PROPERTIES), "?"])


def open_prompts(rng: random.Random, lengths: Sequence[int] = LENGTHS) -> Iterator[str]:
    """Prompts without end, none of them held out."""
    while True:
        prompt = draw_prompt(rng, lengths)
        if not held_out(prompt):
            yield prompt


@dataclass(frozen=True)
class Rules:
    """The domain, as the entry-point group `m2kt.domains` wants it."""

    name: str = "rules"
    version: str = "1.0.0"

    def probes(self, seed: int, count: int) -> Iterator[str]:
        """Give `count` unlabelled prompts; equal seeds give equal prompts."""
        return islice(open_prompts(random.Random(seed)), count)


DOMAIN = Rules()
