"""Texts that tell a reader what to do: instructions to a language model, to a reviewer, to a shell or a page.

Three readers, each enough by itself: words of certain kinds that follow one another closely (words.py), turns of phrase
(phrases.py), and a classifier for what is worded otherwise (learned.py).
"""

import re
from collections.abc import Iterator

from m2kt.scan.text.phrases import PHRASES
from m2kt.scan.text.vocabulary import parted
from m2kt.scan.text.words import ORDERS

WINDOW = 9
"""Words within which the parts of an instruction stand."""

_WORD = re.compile(r"[^\W_]+", re.UNICODE)


def injections(text: str) -> Iterator[str]:
    """What the text tries on whoever reads it."""
    found = _WORD.findall(text)
    said = [part for each in found for part in parted(each.casefold())]
    for what, (first, *rest) in ORDERS.items():
        if any(_follow(said, at, rest) for at, word in enumerate(said) if word in first):
            yield what
    spaced = " ".join(said) if len(said) > len(found) else None
    for what, phrase in PHRASES.items():
        if phrase.search(text) or (spaced and phrase.search(spaced)):
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
