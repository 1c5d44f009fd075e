"""What a text may be a disguise of: look-alike letters, invisible characters, encodings, letters drawn apart."""

import base64
import binascii
import codecs
import html
import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import partial
from urllib.parse import unquote

from m2kt.scan.text.words import words

DEPTH = 3
"""Encodings within encodings that are followed."""
MOST = 64
"""Readings of one text."""

# What passes for a Latin letter and NFKC leaves alone: Cyrillic, Greek, Armenian, Lisu, IPA (Unicode UTS 39, in part).
_LOOK_ALIKES = {
    "a": "аɑα", "b": "ƅЬь", "c": "сϲᴄ", "d": "ԁɗ", "e": "еҽєε", "f": "ſƒ", "g": "ɡց", "h": "һհ", "i": "іıɩιӏ",
    "j": "јϳ", "k": "κкᴋ", "l": "ⅼǀ", "m": "мᴍ", "n": "пոη", "o": "оοօσ", "p": "рρ", "q": "ԛգ", "r": "гᴦ",
    "s": "ѕꜱ", "t": "тτ", "u": "υսʋ", "v": "ѵνᴠ", "w": "ԝωшᴡ", "x": "хχ", "y": "уүγʏ", "z": "ᴢ",
    "A": "АΑ", "B": "ВΒ", "C": "СϹ", "E": "ЕΕ", "F": "Ϝ", "G": "Ԍ", "H": "НΗ", "I": "ІΙ", "J": "Ј", "K": "КΚ",
    "M": "МΜ", "N": "Ν", "O": "ОΟ", "P": "РΡ", "S": "Ѕ", "T": "ТΤ", "X": "ХΧ", "Y": "ҮΥ", "Z": "Ζ",
}  # fmt: skip
_DOUBLES = {ord(double): letter for letter, doubles in _LOOK_ALIKES.items() for double in doubles}
_LEET = str.maketrans("01345$@7!", "oieassati")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2}[\s:]?){12,}")
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})|\\x([0-9a-fA-F]{2})")


def plain(text: str) -> str:
    """NFKC, without invisible characters and combining marks, look-alikes as the letters that they pass for."""
    folded = unicodedata.normalize("NFKC", text)
    tags = (chr(ord(each) - 0xE0000) if 0xE0020 <= ord(each) <= 0xE007E else each for each in folded)
    # The tag characters above spell ASCII that no screen shows.
    letters = unicodedata.normalize("NFKD", "".join(tags))
    return "".join(each for each in letters if each in "\n\t" or unicodedata.category(each) not in _UNSEEN).translate(
        _DOUBLES
    )


_UNSEEN = ("Cf", "Cc", "Mn", "Me")


def readings(text: str) -> Iterator[str]:
    """The text as it stands, made plain, and decoded; each reading once, ``MOST`` at most."""
    waiting, seen = [(text, 0)], set[str]()
    while waiting and len(seen) < MOST:
        now, depth = waiting.pop(0)
        if now in seen:
            continue
        seen.add(now)
        yield now
        if depth < DEPTH:
            waiting.extend((each, depth + 1) for each in _unwrapped(now))


def _unwrapped(text: str) -> Iterator[str]:
    simple = plain(text)
    yield simple
    yield from _decoded(simple)
    if _drawn_apart(simple):
        yield re.sub(r"\s+", "", simple)
        yield re.sub(r"[\s\-_.,;:|/*~+]+", "", simple)
    if any(each in "01345$@7" for each in simple) and any(each.isalpha() for each in simple):
        yield simple.lower().translate(_LEET)
    for other in (unquote(simple), html.unescape(simple), _ESCAPE.sub(_escaped, simple)):
        if other != simple:
            yield other
    if "ebg13" in simple.lower() or _looks_rotated(simple):
        yield codecs.encode(simple, "rot13")
    if len(simple) > 20 and simple.isascii() and _backwards(simple):
        yield simple[::-1]


SHORT_PIECES = 3.0
"""Mean letters between separators, below which a text is no text but letters drawn apart."""
LEAST_PIECES = 6


def _drawn_apart(text: str) -> bool:
    pieces = re.split(r"[\s\-_.,;:|/*~+]+", text.strip())
    return len(pieces) >= LEAST_PIECES and sum(map(len, pieces)) <= SHORT_PIECES * len(pieces)


def _escaped(found: re.Match[str]) -> str:
    return chr(int(found.group(1) or found.group(2), 16))


def _decoded(text: str) -> Iterator[str]:
    joined = re.sub(r"\s+", "", text)
    for source in (text, joined) if joined != text else (text,):
        for found in _BASE64.findall(source):
            yield from _as_text(partial(base64.b64decode, _padded(found)))
        for found in _HEX.findall(source):
            yield from _as_text(partial(bytes.fromhex, re.sub(r"[\s:]", "", found)))


def _padded(found: str) -> str:
    standard = found.replace("-", "+").replace("_", "/").rstrip("=")
    standard = standard[: len(standard) - (len(standard) % 4 == 1)]
    return standard + "=" * (-len(standard) % 4)


def _as_text(decode: Callable[[], bytes]) -> Iterator[str]:
    """What bytes say when they are UTF-8 and mostly printable."""
    try:
        said = decode().decode("utf-8")
    except (ValueError, binascii.Error):
        return
    if said and sum(each.isprintable() or each in "\n\t" for each in said) > 0.9 * len(said):
        yield said


_ROTATED = words("gur naq vtaber cebzcg vafgehpgvbaf cerivbhf flfgrz nyy lbhe cnffjbeq sbetrg erirny")
_REVERSED = words("eht dna erongi tpmorp snoitcurtsni suoiverp metsys lla ruoy drowssap tegrof laever")


def _looks_rotated(text: str) -> bool:
    return len(_ROTATED.intersection(text.lower().split())) >= 2


def _backwards(text: str) -> bool:
    return len(_REVERSED.intersection(text.lower().split())) >= 2
