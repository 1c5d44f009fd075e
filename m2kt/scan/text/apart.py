"""Letters drawn apart: what a text says when the pieces that somebody cut it into are put together again.

Three ways of cutting: at a fixed pace (every two letters a dot), somehow (pieces that are too short to be words), and
inside words or strings (``ig-nore``, ``"AKIA" + "..."``). Each reading takes one pass over the text.
"""

import re
from collections import Counter
from collections.abc import Iterator

LONGEST_PIECE = 6
"""Letters of one piece of a text that is cut at a fixed pace."""
LEAST_MARKS = 4
PACED = 0.8
"""Share of a text's letters that stand in words which are cut at one pace, before it is read so."""
SHORT_PIECES = 3.0
"""Mean letters between separators, below which a text is no text but letters drawn apart."""
LEAST_PIECES = 6

_SEPARATORS = re.compile(r"[\s\-_.,;:|/\\*~+=·•…'\"`^#\[\](){}<>]+")
_INSIDE = re.compile(r"(?<=[^\W_])[-_*~|·•^](?=[^\W_])")
_STRINGS = re.compile(r"[\"'“”‘’]\s{0,4}(?:\+|,|&|\.|\|\||<<)?\s{0,4}[\"'“”‘’]")
_LABELS = re.compile(
    r"(?i)\b(?:part|piece|chunk|half|teil|segment)\s{0,2}\d{0,2}\s{0,2}[:=)]\s{0,4}|\(?\b\d{1,2}[)/:]\s"
)


def joined(text: str) -> Iterator[str]:
    """What the text may have been before it was cut; nothing where it looks whole."""
    yield from _paced(text)
    pieces = _SEPARATORS.split(text.strip())
    if len(pieces) >= LEAST_PIECES and sum(map(len, pieces)) <= SHORT_PIECES * len(pieces):
        yield re.sub(r"\s+", "", text)
        yield "".join(pieces)
    for cut in (_STRINGS, _INSIDE):
        whole, count = cut.subn("", text)
        if count >= (1 if cut is _STRINGS else LEAST_MARKS):
            yield whole
    whole, count = _LABELS.subn("", text)
    if count >= 2:
        yield re.sub(r"[\s,;|]+", "", whole)


def _paced(text: str) -> Iterator[str]:
    """The text without the mark that stands after every so many letters of its words."""
    marks = Counter(each for each in text if not each.isalnum() and each != "\n")
    for mark, count in marks.most_common(3):
        words = re.split(r"\s{2,}|\n", text) if mark == " " else text.split()
        for size in range(1, LONGEST_PIECE + 1):
            if count >= LEAST_MARKS and _is_paced(words, mark, size):
                yield " ".join(_without(word, mark, size) for word in words)


def _is_paced(words: list[str], mark: str, size: int) -> bool:
    cut = sum(len(word) for word in words if _fits(word, mark, size))
    whole = sum(len(word) for word in words if len(word) > size and not _fits(word, mark, size))
    return cut > 0 and cut >= PACED * (cut + whole)


def _fits(word: str, mark: str, size: int) -> bool:
    between = word[size :: size + 1]
    return bool(between) and between == mark * len(between)


def _without(word: str, mark: str, size: int) -> str:
    if not _fits(word, mark, size):
        return word
    return "".join(word[at : at + size] for at in range(0, len(word), size + 1))
