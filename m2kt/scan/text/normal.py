"""What a text may be a disguise of: look-alike letters, invisible characters, encodings, letters drawn apart."""

import re
import unicodedata
from collections import deque
from collections.abc import Iterator
from functools import lru_cache
from typing import Literal

from m2kt.scan.text.apart import joined
from m2kt.scan.text.encodings import decoded

DEPTH = 3
"""Encodings within encodings that are followed."""
MOST = 64
"""Readings of one text."""
FACTOR, FEWEST = 10, 8192
"""Characters of all readings of a text, as a multiple of its own and for short ones: hostile texts cost no more."""
MOST_MARKS = 30
"""Marks in a row that are put in order together, as Unicode's stream-safe format has it (UAX 15, 13)."""

# What passes for a Latin letter and NFKC leaves alone: Cyrillic, Greek, Armenian, Cherokee, Lisu (Unicode UTS 39, in
# part). Latin letters of every style are found by their names (`_letter`).
_LOOK_ALIKES = {
    "a": "аɑαα", "b": "ƅЬьЪъ", "c": "сϲ", "d": "ԁԀ", "e": "еҽєεэ", "f": "ſƒ", "g": "ɡցԍ", "h": "һհҺ", "i": "іıɩιӏї",
    "j": "јϳյ", "k": "κк", "l": "ⅼǀӀ", "m": "м", "n": "пոηռ", "o": "оοօσө০", "p": "рρ", "q": "ԛգ", "r": "гᴦ",
    "s": "ѕ", "t": "тτ", "u": "υսμц", "v": "ѵν", "w": "ԝωшա", "x": "хχ×", "y": "уүγ", "z": "ʐ",
    "A": "АΑᎪꓮ", "B": "ВΒᏴꓐ", "C": "СϹᏟꓚ", "D": "ᎠꓓĐ", "E": "ЕΕᎬꓰ", "F": "Ϝꓝ", "G": "ԌᏀꓖ", "H": "НΗᎻꓧ", "I": "ІΙꓲ",
    "J": "ЈᎫꓙ", "K": "КΚᏦꓗ", "L": "ᏞꓡԼ", "M": "МΜᎷꓟ", "N": "Νꓠ", "O": "ОΟՕꓳ", "P": "РΡᏢꓑ", "Q": "Ԛ", "R": "ᎡᏒꓣ",
    "S": "ЅᏚꓢՏ", "T": "ТΤᎢꓔ", "U": "Սꓴ", "V": "ᏙꓦѴ", "W": "ᎳԜꓪ", "X": "ХΧꓫ", "Y": "ҮΥꓬ", "Z": "ΖᏃꓜ",
}  # fmt: skip
_DOUBLES = {ord(double): letter for letter, doubles in _LOOK_ALIKES.items() for double in doubles}
_BRACKETED = {start + at: chr(97 + at) for start in (0x249C, 0x1F110) for at in range(26)}
"""Letters in brackets, of which NFKC makes three characters."""
_NAMED = re.compile(
    r"LATIN (?:(SMALL)|CAPITAL)? ?LETTER (?:(SMALL) CAPITAL )?(?:SCRIPT |OPEN |DOTLESS )?([A-Z])(?: WITH.*)?"
)
_STYLED = re.compile(r".*(?:INDICATOR SYMBOL|SQUARED LATIN CAPITAL|CIRCLED LATIN CAPITAL) LETTER ([A-Z])")
_UNSEEN = ("Cf", "Cc", "Mn", "Me")
_FILLERS = frozenset("\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters and signs without any ink."""


def plain(text: str) -> str:
    """NFKC, without invisible characters and combining marks, look-alikes as the letters that they pass for."""
    return "".join(map(shown, _letters(text)))


def readings(text: str) -> Iterator[str]:
    """The text as it stands, made plain, and decoded; each reading once, ``MOST`` at most."""
    waiting, seen, left = deque([(text, 0)]), {text}, FEWEST + (FACTOR - 1) * len(text)
    while waiting:
        now, depth = waiting.popleft()
        yield now
        for each in _unwrapped(now) if depth < DEPTH else ():
            if len(seen) >= MOST or left <= 0:
                break  # before more is decoded: what would not be read need not be held
            if each not in seen:
                seen.add(each)
                left -= len(each)
                waiting.append((each, depth + 1))


def _unwrapped(text: str) -> Iterator[str]:
    simple = plain(text)
    yield simple
    if any(unicodedata.category(each) == "Cf" for each in text):  # where they stand for the spaces
        yield plain("".join(" " if unicodedata.category(each) == "Cf" else each for each in text))
    yield from joined(simple)
    yield from decoded(simple)


def _letters(text: str) -> str:
    """NFKC; tag characters as the ASCII that no screen shows; letters and their marks apart."""
    folded = normalized("NFKC", text.translate(_BRACKETED))
    tags = (chr(ord(each) - 0xE0000) if 0xE0020 <= ord(each) <= 0xE007E else each for each in folded)
    return normalized("NFKD", "".join(tags))


def normalized(form: Literal["NFC", "NFKC", "NFKD"], text: str) -> str:
    """A normal form of the text, at most ``MOST_MARKS`` marks at once: putting a flood of them in order takes
    quadratic time."""
    return text if text.isascii() else "".join(unicodedata.normalize(form, each) for each in _streams(text))


def _streams(text: str) -> Iterator[str]:
    """The text in pieces, cut only within a flood of marks."""
    start, marks = 0, 0
    for at, each in enumerate(text):
        marks = marks + 1 if _is_mark(each) else 0
        if marks > MOST_MARKS:
            yield text[start:at]
            start, marks = at, 1
    yield text[start:]


@lru_cache(maxsize=4096)
def _is_mark(character: str) -> bool:
    """Whether a character, or the first of those that it stands for, goes on top of the one before it."""
    return unicodedata.combining(unicodedata.normalize("NFKD", character)[0]) > 0


@lru_cache(maxsize=4096)
def shown(character: str) -> str:
    """What a reader sees of a character: nothing, itself, or the Latin letter that it passes for."""
    if (character.isascii() and character.isprintable()) or character in "\n\t":
        return character
    if unicodedata.category(character) in _UNSEEN or character in _FILLERS:
        return ""
    return _DOUBLES.get(ord(character)) or _letter(character) or character


def _letter(character: str) -> str | None:
    """The letter of a Latin character in whatever style, by its name: small capitals, strokes, squares, flags."""
    name = unicodedata.name(character, "")
    latin, styled = _NAMED.fullmatch(name), _STYLED.fullmatch(name)
    if latin:
        small, capital, letter = latin.groups()
        return letter.lower() if small or capital else letter
    return styled.group(1) if styled else None
