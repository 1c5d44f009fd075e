"""Texts that hide what they say, whatever that is: a finding of its own.

No honest packet writes a name in look-alike letters, invisible characters, an encoding or letters drawn apart; who does
wants a model to read what a person or a pattern does not. So the disguise is reported even where no reader knows what
is under it. What counts as honest use of the same means stands with each of them (unseen.py, lookalike.py) and here.
"""

import re
from collections.abc import Iterator
from itertools import chain

from m2kt.scan.text.apart import UNKNOWN, are_words, joined, words_of
from m2kt.scan.text.encodings import ciphered, numbered, wrapped
from m2kt.scan.text.lookalike import looks_alike
from m2kt.scan.text.normal import plain
from m2kt.scan.text.rarer import rarer
from m2kt.scan.text.unseen import ANYWHERE, unseen
from m2kt.scan.text.vocabulary import is_known, known_share

LEAST = 10
"""Characters of a text that can be said to be hidden."""
READABLE = 0.85
"""Share of letters, digits and spaces of what people write."""
FEWER = 1.7
"""So many pieces for each word that they make."""
LEAST_STRINGS = 5

_FORMULA = re.compile(r"\\[a-z]{3,}|>>>|``|\$[^$\n]{2,200}\$|\w\[\w\]|^\W{0,4}See Also|[*+]{2}")
"""Formulas and programs: pieces of them are no letters drawn apart."""

_STRING = re.compile(r"[\"'“]([^\"'“”\n]{0,12})[\"'”]")


def concealments(text: str) -> Iterator[str]:
    """How the text hides what it says."""
    if unseen(text) >= ANYWHERE:
        yield "it has characters that nobody sees"
    if looks_alike(text):
        yield "its letters pass for others"
    simple = plain(text)
    if any(map(_says, wrapped(simple))) or any(map(_speaks, chain(numbered(simple), rarer(simple), rarer(text)))):
        yield "it is in an encoding"
    elif any(_speaks(each) for each in ciphered(simple)) and _is_unread(simple):
        yield "it is in a cipher"
    elif _is_strung(simple) or (
        not _FORMULA.search(simple) and any(_is_put_together(simple, each) for each in joined(simple))
    ):
        yield "its letters are drawn apart"


def _says(text: str) -> bool:
    """Whether bytes that were letters of an encoding are a text: nearly all letters, digits and what stands between."""
    kept = text.strip()
    letters = sum(each.isalpha() or each.isspace() for each in kept)
    return (
        len(kept) >= LEAST
        and all(each.isprintable() or each in "\n\r\t" for each in kept)
        and letters >= 0.5 * len(kept)
    )


def _speaks(text: str) -> bool:
    """Whether a text, of signs that could have come out as anything, has words."""
    said = re.findall(r"[^\W\d_]{2,}", text.casefold())
    letters = sum(each.isalnum() or each.isspace() for each in text)
    known = [each for each in said if is_known(each)]
    return (
        len(text.strip()) >= LEAST
        and letters >= READABLE * len(text)
        and len(known) >= 3
        and sum(map(len, known)) >= 0.3 * sum(map(len, said))
    )


def _is_unread(text: str) -> bool:
    return known_share(re.findall(r"[^\W\d_]{3,}", text.casefold())) <= 0.2


def _is_put_together(before: str, after: str) -> bool:
    """Whether words stand in what was put together, and hardly any stood there before."""
    told, found = words_of(before), words_of(after)
    return len(told) >= FEWER * len(found) and are_words(told, found)


def _is_strung(text: str) -> bool:
    """Whether short strings, one after another, are words only when they are one."""
    pieces = _STRING.findall(text)
    if len(pieces) < LEAST_STRINGS or sum(map(len, pieces)) < 0.4 * len(text):
        return False
    whole = sum(len(each) > 3 and is_known(each.strip()) for each in pieces)
    return whole <= UNKNOWN * len(pieces) and are_words([], words_of("".join(pieces)))
