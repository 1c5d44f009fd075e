"""How harmful a text is: insults, threats, slights of whole groups. A small classifier behind the check `harmful`, and
the penalty of eq. 18 for symbols that a student must not be taught (Omega_safe, eq. 17-18).

Logistic regression over hashed character n-grams; its weights are in this package, its texts, training and accuracy in
`bench.harm`. It knows words and turns of phrase of English that are like those texts, and no meaning: irony, other
languages and what it never saw pass it by.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from m2kt.scan.text.normal import plain

BUCKETS = 1 << 13
SIZES = (2, 3, 4, 5)
WEIGHTS = "harm.npy"
LONGEST = 4096
"""Characters of one piece; a longer text is scored piece by piece, and as harmful as its worst."""

Vector = NDArray[np.float64]


def scores(texts: Sequence[str]) -> Vector:
    """The probability in [0, 1] that each text is harmful, (N,)."""
    weights = _weights()
    return np.array([max(_score(piece, weights) for piece in _pieces(each)) for each in texts], np.float64)


def penalties(symbols: Sequence[str]) -> Vector:
    """What each symbol costs a student that would be taught it, (A,) in [0, 1]: eq. 18's penalty, as weights of the
    probability mass that a concept gives to each of them."""
    return scores(symbols)


def buckets(text: str) -> NDArray[np.intp]:
    """The hashed n-grams of a text, each once. Words have an edge, so that ``ass`` in ``assume`` is another one."""
    padded = f" {' '.join(plain(text).casefold().split())} "
    grams = {padded[at : at + size] for size in SIZES for at in range(len(padded) - size + 1)}
    return np.unique(np.array([crc32(each.encode()) % BUCKETS for each in sorted(grams)], np.intp))


def _score(text: str, weights: Vector) -> float:
    found = buckets(text)
    if not len(found):
        return 0.0
    logit = weights[found].sum() / np.sqrt(len(found)) + weights[-1]
    return float(1.0 / (1.0 + np.exp(-np.clip(logit, -50, 50))))


def _pieces(text: str) -> Iterator[str]:
    yield from (text[at : at + LONGEST] for at in range(0, max(len(text), 1), LONGEST))


@cache
def _weights() -> Vector:
    """(BUCKETS + 1,), the last one the bias."""
    with (files("m2kt.scan") / WEIGHTS).open("rb") as file:
        found: Vector = np.load(file, allow_pickle=False).astype(np.float64)
    assert found.shape == (BUCKETS + 1,)
    return found
