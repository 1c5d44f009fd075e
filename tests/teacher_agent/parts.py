"""Settings of the extractions under test, and a domain of short chains."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from teacher_agent.extract import Settings
from teacher_agent.roles import SwapSettings

SWAP = SwapSettings(swaps=2)
SETTINGS = Settings(probes=1500, least_support=2, swap=SWAP)
"""A quarter of the default probes: truth values fill two of their five shapes with the 40 chains that a shape needs."""
SHORT_SETTINGS = Settings(probes=240, least_support=1, swap=SWAP)
DIGITS = "0123456789abcdef"


@dataclass(frozen=True)
class ShortChains:
    """Sums and products of two or three digits: what the example teacher knows, in little time."""

    name: str = "short-chains"
    version: str = "1.0.0"

    def probes(self, seed: int, count: int) -> Iterator[str]:
        """Give ``count`` prompts; equal seeds give equal prompts."""
        rng = random.Random(seed)
        return (self._prompt(rng) for _ in range(count))

    def _prompt(self, rng: random.Random) -> str:
        words = [rng.choice(DIGITS)]
        for _ in range(rng.choice((1, 2))):
            words += [rng.choice("+#"), rng.choice(DIGITS)]
        return " ".join([*words, ":"])


def silent(step: str, done: int, total: int) -> None:
    """Progress that nobody watches."""
