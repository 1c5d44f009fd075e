"""How harmful a text is: insults, threats, slights of whole groups. A small classifier behind the check `harmful`, and
the penalty of eq. 18 for symbols that a student must not be taught (Omega_safe, eq. 17-18).

Logistic regression over hashed n-grams (`m2kt.scan.text.ngrams`); its weights are in this package, its texts, training
and accuracy in `bench.harm`. It knows words and turns of phrase of English that are like those texts, and no meaning:
irony, other languages and what it never saw pass it by.
"""

from collections.abc import Sequence
from functools import cache

from m2kt.scan.text import ngrams
from m2kt.scan.text.ngrams import Vector

WEIGHTS = "harm.npy"


def scores(texts: Sequence[str]) -> Vector:
    """The probability in [0, 1] that each text is harmful, (N,)."""
    return ngrams.scores(texts, _weights())


def penalties(symbols: Sequence[str]) -> Vector:
    """What each symbol costs a student that would be taught it, (A,) in [0, 1]: eq. 18's penalty, as weights of the
    probability mass that a concept gives to each of them."""
    return scores(symbols)


@cache
def _weights() -> Vector:
    return ngrams.load(WEIGHTS)
