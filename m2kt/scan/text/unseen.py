"""Characters without ink where no script or emoji needs them: who puts them between letters hides the letters.

Joiners, variation selectors and direction marks have honest uses, by the character beside them (Unicode 15, 23.2 to
23.9; UTS 51 for emoji; UTR 36 for what they are abused for). Whatever stands elsewhere counts. One pass.
"""

import unicodedata
from collections.abc import Callable, Iterator

INSIDE, ANYWHERE = 2, 4
"""So many of them inside words, or anywhere, are no accident of copying."""
REACH = 8
SOFT = 4
"""Soft hyphens that a text may have where a word can be broken."""

_FILLERS = frozenset("\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\u034f")
_SELECTORS = (("\ufe00", "\ufe0f"), ("\U000e0100", "\U000e01ef"))
_OVERRIDES = frozenset("\u202d\u202e")
_DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u2066\u2067\u2068\u2069") | _OVERRIDES
_WITHOUT_JOINERS = ("LATIN", "CYRILLIC", "GREEK", "DIGIT", "ARMENIAN", "HEBREW", "CHEROKEE")
_UNBROKEN = ("THAI", "LAO", "KHMER", "MYANMAR", "CJK", "HIRAGANA", "KATAKANA", "HANGUL", "TIBETAN", "JAVANESE")
_KOREAN = ("HANGUL",)


def unseen(text: str) -> int:
    """How many characters without ink stand where nothing needs them; ``ANYWHERE`` at least if they are no chance."""
    if text.isascii():
        return sum(_is_control(each) for each in text)
    found = list(_places(text))
    if any(text[at] in _OVERRIDES or _is_tag(text[at]) for at in found):
        return max(len(found), ANYWHERE)
    inside = sum(_is_inside(text, at) for at in found)
    return max(len(found), ANYWHERE) if inside >= INSIDE else len(found)


def _places(text: str) -> Iterator[int]:
    """Where the characters without ink stand that no neighbour explains."""
    turned = any(each.isalpha() and unicodedata.bidirectional(each) in ("R", "AL") for each in text)
    soft = text.count("\xad")
    for at, each in enumerate(text):
        if not _is_unseen(each) or (each == "\ufeff" and at == 0):
            continue
        before, after = _beside(text, at, -1), _beside(text, at, 1)
        if each in _DIRECTIONS:
            wanted = turned
        elif each == "\xad":
            wanted = soft <= SOFT and before.isalpha() and after.isalpha()
        else:
            wanted = next((is_wanted(before, after) for is_it, is_wanted in _RULES if is_it(each)), False)
        if not wanted:
            yield at


def _is_unseen(character: str) -> bool:
    return (
        unicodedata.category(character) == "Cf"
        or character in _FILLERS
        or _is_selector(character)
        or _is_control(character)
    )


def _is_control(character: str) -> bool:
    return unicodedata.category(character) == "Cc" and character not in "\t\n\r\f\v"


def _is_selector(character: str) -> bool:
    return any(first <= character <= last for first, last in _SELECTORS)


def _is_tag(character: str) -> bool:
    return "\U000e0000" <= character <= "\U000e007f"


def _beside(text: str, at: int, step: int) -> str:
    """The next character with ink in that direction, of the ``REACH`` nearest."""
    for near in range(at + step, at + (REACH + 1) * step, step):
        if not 0 <= near < len(text):
            return ""
        if not _is_unseen(text[near]):
            return text[near]
    return ""


def _is_inside(text: str, at: int) -> bool:
    return _beside(text, at, -1).isalnum() and _beside(text, at, 1).isalnum()


def _of(character: str, scripts: tuple[str, ...]) -> bool:
    return bool(character) and unicodedata.name(character, "").startswith(scripts)


def _is_sign(character: str) -> bool:
    return bool(character) and unicodedata.category(character) in ("So", "Sk", "Sm", "Po", "Me", "Mn", "Mc")


def _joins(before: str, after: str) -> bool:
    """Between signs (emoji), or in a script whose letters join."""
    joined = [each for each in (before, after) if each.isalpha() and not _of(each, _WITHOUT_JOINERS)]
    return bool(joined) or (_is_sign(before) and _is_sign(after))


def _selects(before: str, after: str) -> bool:
    """After a sign, an ideograph, or the digit of a key cap."""
    return _is_sign(before) or after == "\u20e3" or (before.isalpha() and _of(before, ("CJK", "MONGOLIAN", "MYANMAR")))


_RULES: tuple[tuple[Callable[[str], bool], Callable[[str, str], bool]], ...] = (
    (lambda it: it in "\u200c\u200d", _joins),
    (_is_selector, _selects),
    (lambda it: it in "\u200b\u2060\ufeff", lambda before, after: _of(before, _UNBROKEN) or _of(after, _UNBROKEN)),
    (lambda it: it in "\u115f\u1160\u3164\uffa0", lambda before, after: _of(before, _KOREAN) or _of(after, _KOREAN)),
    (lambda it: it == "\u2800", lambda before, after: _of(before, ("BRAILLE",)) or _of(after, ("BRAILLE",))),
    (lambda it: it == "\u180e", lambda before, after: _of(before, ("MONGOLIAN",))),
    (_is_tag, lambda before, after: before == "\U0001f3f4"),
    (lambda it: "\u0600" <= it <= "\u08e2", lambda before, after: True),
)  # fmt: skip
