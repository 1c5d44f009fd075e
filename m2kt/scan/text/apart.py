"""Letters drawn apart: what a text says when the pieces that somebody cut it into are put together again.

A text may be cut at a fixed pace (every two letters a dot), by a mark that stands everywhere, inside its words, into
strings, or so that its own spaces are lost; then words are found by `vocabulary.cut`. Each reading takes one pass.
"""

import re
from collections import Counter
from collections.abc import Iterator

from m2kt.scan.text.vocabulary import cut, is_known

LONGEST_PIECE = 6
"""Letters of one piece of a text that is cut at a fixed pace."""
LEAST_MARKS = 4
PACED = 0.8
"""Share of a text's letters that stand in words which are cut at one pace, before it is read so."""
SHORT_PIECES = 3.0
"""Mean letters between separators, below which a text is no text but letters drawn apart."""
MEAN_PIECE = 8.0
"""Mean characters between two of the same mark, below which it may be what the text is cut by."""
LEAST_PIECES = 6
LEAST_LETTERS, MOST_WHOLE = 0.5, 0.2
"""Shares of letters among a text's letters and digits, and of whole words among its pieces, in one that was cut."""
LEAST_WORDS, MOST_LETTERS = 4, 16
KNOWN, UNKNOWN, LEAST_KNOWN = 0.75, 0.34, 0.3
"""Least share of likely words in what was put together, the most of known ones among the pieces, and the least of them
in the whole."""
LEAST_RUN = 18
"""Characters without a space from which on words are looked for in them."""

_VOWELS = re.compile(r"[aeiouyàáâäåæèéêëìíîïòóôöøùúûüаеёиоуыэюяαεηιουω]")
_SEPARATORS = re.compile(r"[\s\-_.,;:|/\\*~+=·•…'\"`^#\[\](){}<>]+")
_INSIDE = re.compile(r"(?<=[^\W_])[-_*~|·•^](?=[^\W_])")
_BETWEEN = re.compile(r"(?<=[^\W_])[^\w\s@](?=[^\W_])|(?<=[^\W_])_(?=[^\W_])")
_STRINGS = re.compile(r"[\"'“”‘’]\s{0,4}(?:\+|,|&|\.|\|\||<<)?\s{0,4}[\"'“”‘’]")
_LABELS = re.compile(
    r"(?i)\b(?:part|piece|chunk|half|teil|segment)\s{0,2}\d{0,2}\s{0,2}[:=)]\s{0,4}|\(?\b\d{1,2}[)/:]\s"
)
_PROGRAM = re.compile(r">>>|\w\(|\)\.|\w\[\d|\w=[\w\"']|::|\w\*\*\d")
"""What programs are full of: put together they look like keys."""
_MARKS = re.compile(r" ?([^\w\s])\1{0,3} ?|_|\n")
_RUNS = re.compile(r"(?<=\w)(?:<[^<>\n]{0,12}>|[^\w\s]{1,8}\n?)(?=\w)")
_MARKUP = re.compile(r"<!--[^<>]{0,200}-->|</?[A-Za-z][^<>]{0,100}>|\[/?[a-z]{1,6}\]")
"""Comments and tags, which a page does not show."""


def joined(text: str) -> Iterator[str]:
    """What the text may have been before it was cut; nothing where it looks whole."""
    cut_up = (*_paced(text), *_unmarked(text), *_gapless(text)) if _is_cut(text) else ()
    for whole in dict.fromkeys((*_strings(text), *_bare(text), *_mended(text), *cut_up)):
        yield whole
        if len(whole) >= LEAST_RUN and not re.search(r"\S\s+\S", whole):
            yield re.sub(r"[_\-.]+", " ", whole)
            yield " ".join(cut(whole))
    if "\n" in text:
        yield " ".join(text.split())


def _is_cut(text: str) -> bool:
    """Whether the text has letters but hardly any whole words: manuals, programs and tables of numbers are not cut."""
    letters, signs = sum(map(str.isalpha, text)), sum(map(str.isalnum, text))
    pieces = [each for each in _SEPARATORS.split(text.strip()) if any(map(str.isalpha, each))]
    whole = sum(len(each) > 3 and is_known(each) for each in pieces)
    if len(_PROGRAM.findall(text)) >= 2:
        return False
    return letters >= LEAST_LETTERS * signs and whole <= MOST_WHOLE * len(pieces)


def _strings(text: str) -> Iterator[str]:
    """Strings as one, words without the signs inside them, parts without their labels."""
    for places, least in ((_STRINGS, 1), (_INSIDE, 2)):
        whole, count = places.subn("", text)
        if count >= least:
            yield whole
    whole, count = _LABELS.subn("", text)
    if count >= 2:
        yield re.sub(r"[\s,;|]+", "", whole)


def _bare(text: str) -> Iterator[str]:
    """The text without markup."""
    whole, count = _MARKUP.subn("", text)
    if count:
        yield whole


def _mended(text: str) -> Iterator[str]:
    """The text without what stands inside its words, if they are words only then."""
    for run, count in Counter(_RUNS.findall(text)).most_common(2):
        whole = text.replace(run, "")
        if count >= LEAST_MARKS and len(whole) <= MEAN_PIECE * count and are_words(words_of(text), words_of(whole)):
            yield whole


def words_of(text: str) -> list[str]:
    """Runs of letters."""
    return re.findall(r"[^\W\d_]+", text.casefold())


def are_words(before: list[str], after: list[str]) -> bool:
    """Whether what was put together has words, most of them new, and what it was put together from has hardly any."""
    longer, earlier = [each for each in after if len(each) > 2], [each for each in before if len(each) > 2]
    known = frozenset(before)
    new = [each for each in longer if each not in known]
    likely = [each for each in new if is_known(each) or (len(each) < MOST_LETTERS and _VOWELS.search(each))]
    return (
        len(new) >= max(LEAST_WORDS, len(longer) // 2)
        and len(likely) >= KNOWN * len(new)
        and sum(map(is_known, new)) >= LEAST_KNOWN * len(new)
        and sum(map(is_known, earlier)) <= UNKNOWN * len(before)
        and before != sorted(before)
    )


def _unmarked(text: str) -> Iterator[str]:
    """The text without each of the marks that stand in it everywhere, or without any sign inside its words."""
    marks = Counter(found.group() for found in _MARKS.finditer(text))
    for mark, count in marks.most_common(3):
        if count >= LEAST_MARKS and len(text) / (count + 1) - len(mark) <= MEAN_PIECE:
            yield text.replace(mark, "")
    brackets = sum(text.count(each) for each in "[](){}<>")
    if brackets >= LEAST_PIECES and len(text) <= MEAN_PIECE * brackets:
        yield re.sub(r"[\[\](){}<>]", "", text)
    whole, count = _BETWEEN.subn("", text)
    if count >= LEAST_MARKS and len(whole) <= MEAN_PIECE * count:
        yield whole


def _gapless(text: str) -> Iterator[str]:
    """Pieces that are too short to be words, with wider gaps between words or with none."""
    pieces = _SEPARATORS.split(text.strip())
    if len(pieces) < LEAST_PIECES or sum(map(len, pieces)) > SHORT_PIECES * len(pieces):
        return
    if re.search(r"\S\s{2,}\S", text):
        yield " ".join(re.sub(r"\s", "", word) for word in re.split(r"\s{2,}", text))
    yield re.sub(r"\s+", "", text)
    yield "".join(pieces)


def _paced(text: str) -> Iterator[str]:
    """The text without the mark that stands after every so many letters of its words."""
    marks = Counter(each for each in text if not each.isalnum() and each != "\n")
    for mark, count in marks.most_common(3):
        words = re.split(r"\s{2,}|\n", text) if mark == " " else text.split()
        for size in range(1, LONGEST_PIECE + 1):
            if count >= LEAST_MARKS and _is_paced(words, mark, size):
                yield " ".join(_without(word, mark, size) for word in words)


def _is_paced(words: list[str], mark: str, size: int) -> bool:
    pieces = sum(len(word) for word in words if _fits(word, mark, size))
    whole = sum(len(word) for word in words if len(word) > size and not _fits(word, mark, size))
    return pieces > 0 and pieces >= PACED * (pieces + whole)


def _fits(word: str, mark: str, size: int) -> bool:
    between = word[size :: size + 1]
    return bool(between) and between == mark * len(between)


def _without(word: str, mark: str, size: int) -> str:
    if not _fits(word, mark, size):
        return word
    return "".join(word[at : at + size] for at in range(0, len(word), size + 1))
