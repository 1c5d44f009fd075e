"""What reads like an instruction to a reader though no rule has its words: a classifier over n-grams (ngrams.py).

Its weights are in this package; its texts, its training and what it is worth alone are in `bench.injection`.
"""

from collections.abc import Iterator
from functools import cache

from m2kt.scan.text import ngrams

WEIGHTS = "injection.npy"
LIMIT = 0.4
"""Score that two in a thousand honest texts exceed, of those that trained nothing (`bench.injection --limit`)."""
LEAST_WORDS = 4
"""Words below which a text is a name or a symbol and too short to be an instruction."""


def instructed(text: str) -> Iterator[str]:
    """Whether the text reads like an instruction to whoever reads it."""
    if len(text.split()) >= LEAST_WORDS and ngrams.scores([text], _weights())[0] > LIMIT:
        yield "it reads like an instruction to its reader"


@cache
def _weights() -> ngrams.Vector:
    return ngrams.load(WEIGHTS)
