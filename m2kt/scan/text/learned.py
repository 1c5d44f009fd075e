"""What reads like a secret, like a person exposed or like an order to its reader, though no rule has its words: three
classifiers over n-grams and the shapes of words (ngrams.py).

Their weights are in this package; their texts, their training and what they are worth alone are in `bench.learning`.
"""

import unicodedata
from collections.abc import Iterator
from functools import cache

from m2kt.scan.text import ngrams
from m2kt.scan.text.vocabulary import is_language

ORDERED = "it reads like an instruction to its reader"
KINDS = {
    "injection": (ORDERED, 0.86),
    "secret": ("it reads as if it gave away what opens something", 0.87),
    "personal": ("it reads as if it exposed a person", 0.88),
}
"""Each with the limit of its score: docs/scan.md says what chose them."""
DECIPHERED = 0.9
"""The limit of a text that was first deciphered or put together: most of those say nothing."""
LEAST_LETTERS, LEAST_WORDS = 6, 3

_SIGNS = ".,;:!?()[]{}\"'`<>"
_WITHOUT_SPACES = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "THAI", "LAO", "KHMER")


def learned(text: str, deciphered: bool = False) -> Iterator[str]:
    """What the text reads like. What was deciphered has to be a language first."""
    if not (is_language(text) if deciphered else _is_said(text)):
        return
    told = ngrams.judged(ngrams.shaped(text), _weights())
    for score, (what, limit) in zip(told, KINDS.values(), strict=True):
        if score > (max(limit, DECIPHERED) if deciphered else limit):
            yield what


def _is_said(text: str) -> bool:
    """Whether there are words enough to read like something; an identifier is none."""
    said = [each.strip(_SIGNS) for each in text.split()]
    if sum(len(each) > 1 and each.replace("'", "").replace("-", "").isalpha() for each in said) >= LEAST_WORDS:
        return True
    letters = [each for each in text if each.isalpha()]
    return len(letters) >= LEAST_LETTERS and any(
        unicodedata.name(each, "").startswith(_WITHOUT_SPACES) for each in letters[:LEAST_LETTERS]
    )


@cache
def _weights() -> tuple[ngrams.Vector, ...]:
    return tuple(ngrams.load(f"{kind}.npy") for kind in KINDS)
