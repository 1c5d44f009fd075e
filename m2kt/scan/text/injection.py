"""Texts that tell a reader what to do: instructions to a language model, to a reviewer, to a shell or a page.

Words are looked up by kind, and kinds must stand close together in the order that makes an instruction (words.py).
"""

import re
from collections.abc import Iterator

from m2kt.scan.text.words import ORDERS, PHRASES, words

WINDOW = 9
"""Words within which the parts of an instruction stand."""

_WORD = re.compile(r"[^\W_]+", re.UNICODE)


def injections(text: str) -> Iterator[str]:
    """What the text tries on whoever reads it."""
    said = [part for each in _WORD.findall(text) for part in _parted(each.casefold())]
    for what, (first, *rest) in ORDERS.items():
        if any(_follow(said, at, rest) for at, word in enumerate(said) if word in first):
            yield what
    for what, phrase in PHRASES.items():
        if phrase.search(text):
            yield what


def _follow(said: list[str], start: int, kinds: list[frozenset[str]]) -> bool:
    """Whether words of these kinds come in this order within the window after ``start``."""
    at, end = start + 1, min(len(said), start + 1 + WINDOW)
    for kind in kinds:
        while at < end and said[at] not in kind:
            at += 1
        if at == end:
            return False
        at += 1
    return True


LONG = 20
"""Letters from which on a word is taken for several without spaces."""
_JOINTS = words("you are now act as pretend be system role task from on mode developer new")
_KNOWN = sorted(
    {word for kinds in ORDERS.values() for kind in kinds for word in kind if len(word) > 2 and word.isascii()}
    | _JOINTS,
    key=len,
    reverse=True,
)
_PARTS = re.compile("|".join(_KNOWN))


def _parted(word: str) -> list[str]:
    """The words that a long run of letters is made of, as far as they matter here."""
    return [word] if len(word) < LONG else [word, *_PARTS.findall(word)]
