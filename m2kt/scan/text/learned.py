"""What reads like an instruction to a reader though no rule has its words: a classifier over n-grams (ngrams.py).

Its weights are in this package; its texts, its training and what it is worth alone are in `bench.injection`.
"""

from collections.abc import Iterator
from functools import cache

from m2kt.scan.text import ngrams
from m2kt.scan.text.vocabulary import is_language

WEIGHTS = "injection.npy"
LIMIT = 0.5
"""At least what two in a thousand honest texts exceed which trained nothing (`bench.injection --limit`: 0.43); higher,
since manuals that chose nothing exceeded that ten times as often (docs/experiments.md)."""


DECIPHERED = 0.7
"""The limit of a text that was first deciphered or put together: most of those say nothing."""


def instructed(text: str, limit: float = LIMIT) -> Iterator[str]:
    """Whether the text reads like an instruction to whoever reads it."""
    if is_language(text) and ngrams.scores([text], _weights())[0] > limit:
        yield "it reads like an instruction to its reader"


@cache
def _weights() -> ngrams.Vector:
    return ngrams.load(WEIGHTS)
