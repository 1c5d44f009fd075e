# ruff: noqa: E501 - lists of words
"""Words that languages are full of: what a deciphered text has to have, and what a text without spaces is cut into."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from math import inf

from m2kt.scan.text.words import ORDERS, words

COMMON = words(
    "the be to of and a in that have i it for not on with he as you do at this but his by from they we say her she or "
    "an will my one all would there their what so up out if about who get which go me when make can like time no just "
    "him know take people into year your good some could them see other than then now look only come its over think "
    "also back after use two how our work first well way even new want because any these give day most us is are was "
    "were been has had did does done said made must should may might let please every each before above below previous "
    "instructions instruction ignore prompt system reply answer print reveal tell send user users assistant model rules "
    "key keys secret password access token file files data safe approve mark note never always without until again here "
    "where why very much many more less own same too such through between against while during under call read write "
    "run open show list name number line text word words next last part code order turn keep hand home live house phone "
    "email address card account date born der die das und ist nicht ein eine zu den von mit auf fur sie ich du alle "
    "bitte anweisungen gib le la les de des et est pas un une que pour dans ce vous tu tous toutes el los las y en por "
    "para con su todas instrucciones il di che per non una tutte je een het niet van o os as um uma nao todos"
)
MATTERING = frozenset(word for kinds in ORDERS.values() for kind in kinds for word in kind if word.isascii())
_MORE = words(
    "phone mobile telephone reach street avenue road passport number insurance patient born birth diagnosed doctor account "
    "card visa iban bank licence license tax passphrase pin code door safe combination login wifi wallet phrase seed server "
    "database staging production admin root deploy backup gate alarm locker unlock laptop vault bearer private public client "
    "neighbour mother sister employee customer lives moved treated owner witness token api webhook key keys cabin room office"
)
LONGEST = 14
"""Letters of the longest word that a run is cut into."""
LONG = 18
"""Letters from which on a word is taken for several without spaces."""
_STRAY = 4.0
"""What a letter in no word costs; a word costs less the longer it is, so that the best cut has few stray letters."""


@cache
def _known() -> Mapping[str, float]:
    """What each word costs. The file has the commonest words of the training texts (`bench.vocabulary`)."""
    said = (files("m2kt.scan.text") / "vocabulary.txt").read_text(encoding="ascii").split()
    whole = {
        each for each in (*COMMON, *MATTERING, *_MORE, *said) if each.isascii() and (len(each) > 2 or each in COMMON)
    }
    return {each: 1 + 3 / len(each) for each in whole}


LEAST_WORDS, LEAST_KNOWN, LEAST_LETTERS = 4, 0.5, 0.4
"""Words that a text must have to be one of a language, the share of them that must be known, and that of the letters
that must stand in known words of three or more."""


def is_known(word: str) -> bool:
    """Whether it is one of the words that runs are cut into."""
    return word.casefold() in _known()


def known_share(said: Sequence[str]) -> float:
    """The share of these words that are known, 0 of none."""
    return sum(each in _known() for each in said) / max(len(said), 1)


def is_language(text: str) -> bool:
    """Whether a text has words that people write: what deciphering or cutting makes of other texts has hardly any. What
    digits and letters make together (an identifier, a digest) is no word; and words of two letters are what every random
    text falls into, so longer ones that are known must have their share of the letters."""
    said = re.findall(r"\b[^\W\d_]{2,}\b", text.casefold())
    letters = sum(map(len, said))
    longer = sum(len(each) for each in said if len(each) > 2 and each in _known())
    return len(said) >= LEAST_WORDS and known_share(said) >= LEAST_KNOWN and longer >= LEAST_LETTERS * letters


def cut(run: str) -> list[str]:
    """The words that a run of characters without spaces is made of, by dynamic programming; what is in no word (a name,
    a number, a key) stays in one piece. Cost is linear: the longest word bounds each step."""
    known, lower = _known(), run.casefold() if run.isascii() else run
    costs, starts = [0.0], [0]
    for end in range(1, len(run) + 1):
        best, start = costs[-1] + _STRAY, -1
        for at in range(max(0, end - LONGEST), end):
            cost = costs[at] + known.get(lower[at:end], inf)
            if cost < best:
                best, start = cost, at
        costs.append(best)
        starts.append(start)
    return _pieces(run, starts)


def _pieces(run: str, starts: list[int]) -> list[str]:
    """The pieces of a cut, from where each ends; -1 is a stray character, which goes to the stray one before it."""
    found: list[str] = []
    end, stray = len(run), False
    while end:
        start = starts[end] if starts[end] >= 0 else end - 1
        if starts[end] < 0 and stray:
            found[-1] = run[start:end] + found[-1]
        else:
            found.append(run[start:end])
        end, stray = start, starts[end] < 0
    return found[::-1]


def parted(word: str) -> list[str]:
    """The word and, if it is a long run of letters, those that it is made of."""
    return [word, *cut(word)] if len(word) >= LONG and word.isascii() else [word]
