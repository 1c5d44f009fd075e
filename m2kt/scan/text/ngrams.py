"""Logistic regression over hashed n-grams of characters and words: small enough for the package, numpy only.

Each text is two sets of n-grams, of characters (within and across words) and of words, each scaled to length one; its
score is the worst of its pieces', so that a long text hides nothing. The weights and how they were trained are the
caller's.
"""

import re
from collections.abc import Iterator, Sequence
from importlib.resources import files
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from m2kt.scan.text.normal import plain

_DIGIT = re.compile(r"\d")

BUCKETS = 1 << 15
SIZES = (2, 3, 4, 5)
WORD_SIZES = (1, 2, 3)
PIECE, STRIDE = 40, 20
"""Words of one piece, and from one piece to the next."""
LONGEST = 4096
"""Characters of one piece: what has no spaces is cut all the same."""

Vector = NDArray[np.float64]
Rows = NDArray[np.intp]


def load(name: str) -> Vector:
    """Weights that ship with `m2kt.scan`, (BUCKETS + 1,), the last one the bias; stored as float16."""
    with (files("m2kt.scan") / name).open("rb") as file:
        found: Vector = np.load(file, allow_pickle=False).astype(np.float64)
    assert found.shape == (BUCKETS + 1,)
    return found


def scores(texts: Sequence[str], weights: Vector) -> Vector:
    """A probability in [0, 1] for each text, (N,): that of its worst piece."""
    return np.array([max(_score(piece, weights) for piece in pieces(each)) for each in texts], np.float64)


def judged(text: str, weights: Sequence[Vector]) -> list[float]:
    """What each of several sets of weights makes of one text: its n-grams are counted once."""
    cut = [buckets(piece) for piece in pieces(text) if piece]
    return [max((_probability(each, found) for each in cut), default=0.0) for found in weights]


def shaped(text: str) -> str:
    """The text with the shape of its words told: each digit as 0, and a word after what has a capital inside a sentence
    or mixes letters, digits and signs. What a password or a number is does not matter, that it is one does."""
    return " ".join(_told(each, at > 0) for at, each in enumerate(plain(text).split()))


def _told(word: str, inside: bool) -> str:
    bare = word.strip(".,;:!?()[]{}\"'`<>")
    digits = any(each.isdigit() for each in bare)
    mixed = (digits and any(each.isalpha() for each in bare)) or (len(bare) > 5 and not bare.replace("-", "").isalnum())
    named = inside and bare[:1].isupper() and bare[1:].islower()
    return _DIGIT.sub("0", word) + " zzmixed" * mixed + " zzname" * named


def pieces(text: str) -> Iterator[str]:
    """The text in overlapping pieces; a short one is one piece."""
    said = plain(text).casefold().split()
    starts = range(0, max(len(said) - STRIDE, 1), STRIDE) if len(said) > PIECE else range(1)
    for start in starts:
        piece = " ".join(said[start : start + PIECE])
        yield from (piece[at : at + LONGEST] for at in range(0, max(len(piece), 1), LONGEST))


def buckets(piece: str) -> tuple[Rows, Rows]:
    """The hashed n-grams of a piece, of characters and of words, each once. Words have an edge, so that ``ass`` in
    ``assume`` is another one."""
    padded = f" {piece} "
    letters = {padded[at : at + size] for size in SIZES for at in range(len(padded) - size + 1)}
    said = ["^", *_words(piece), "$"]
    runs = {"\0".join(said[at : at + size]) for size in WORD_SIZES for at in range(len(said) - size + 1)}
    return _hashed(letters), _hashed("\1" + each for each in runs)


def _words(piece: str) -> list[str]:
    kept = "".join(each if each.isalnum() or each == "'" else " " for each in piece)
    return ["0" if each.isdigit() else each for each in kept.split()]


def _hashed(grams: "set[str] | Iterator[str]") -> Rows:
    return np.unique(np.array([crc32(each.encode("utf-8", "surrogatepass")) % BUCKETS for each in grams], np.intp))


def _score(piece: str, weights: Vector) -> float:
    return _probability(buckets(piece), weights) if piece else 0.0


def _probability(found: tuple[Rows, Rows], weights: Vector) -> float:
    logit = weights[-1] + sum(weights[each].sum() / np.sqrt(max(len(each), 1)) for each in found)
    return float(1.0 / (1.0 + np.exp(-np.clip(logit, -50, 50))))
