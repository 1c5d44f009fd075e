"""Encodings that a text may be in, or may hold: bytes as letters, letters as numbers, letters for other letters.

What a decoder makes of a text counts only when it reads like one: UTF-8 that can be printed, or (for ciphers, which
turn anything into letters) words that languages are full of.
"""

import base64
import binascii
import codecs
import html
import quopri
import re
import string
from collections.abc import Callable, Iterator
from functools import partial
from urllib.parse import unquote

from m2kt.scan.text.rarer import rarer
from m2kt.scan.text.vocabulary import LEAST_KNOWN, is_language, known_share

LEAST_WORDS = 3

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
_BASE32 = re.compile(r"\b[A-Z2-7]{16,}={0,6}")
_BASE85 = re.compile(r"<~[!-uz\s]{8,}~>")
_BYTES = re.compile(r"(?:(?:0x|\\x)?[0-9a-fA-F]{2}[\s:,;]{0,2}){10,}")
_BITS = re.compile(r"(?:[01]{8}[\s,]{0,2}){4,}")
_NUMBERS = re.compile(r"(?:\b\d{2,3}\b[\s,;]{1,2}){8,}\d{2,3}\b")
_ESCAPE = re.compile(r"\\u\{?([0-9a-fA-F]{4,6})\}?|\\x([0-9a-fA-F]{2})|\\([0-3][0-7]{2})|U\+([0-9A-F]{4,6})\s?")
_ENTITY = re.compile(r"&#0*([0-9]{1,7})[0-9]*")
_MORSE = re.compile(r"[.\-·–/|\s]{20,}")
_ASCII_LETTER = r"(?:4[1-9a-f]|5[0-9a]|6[1-9a-f]|7[0-9a])"
_NEEDLESS = tuple(
    re.compile(rf"(?i)(?:{before}{_ASCII_LETTER}{after}){{2,}}")
    for before, after in (
        ("%", ""),
        ("&#x0{0,4}", ";"),
        (r"\\x", ""),
        (r"\\u00", ""),
        (r"\\u\{0{0,4}", r"\}"),
        (r"u\+00", r"\s?"),
        ("=", ""),
    )
)
"""Letters of ASCII in escapes, which none of them needs."""
_DECIMAL = re.compile(r"(?:&#0{0,4}(?:6[5-9]|[78]\d|9[07-9]|1[01]\d|12[0-2]);){2,}")
LEAST_NEEDLESS = 8
LEAST_PIECE = 16
LEAST_TOKENS = 3
"""Words in base64, one by one, that are no accident."""
_TOKENS = re.compile(r"(?<![0-9A-Za-z+/_=-])[0-9A-Za-z+/_-]{7,256}={0,2}(?![0-9A-Za-z+/_=-])")
_LEET = (
    str.maketrans("0134568$@7!|+2", "oieasgbsatiitz"),
    str.maketrans("0134568$@7!|+2", "oleasgbsatlltz"),
)  # fmt: skip
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
"""RFC 9562: an identifier, in letters that can hardly say anything."""
_LEETED = re.compile(r"(?<=[A-Za-z])[013458$@7!](?=[A-Za-z])")
_LETTERS = string.ascii_lowercase
_MIRRORED = str.maketrans(_LETTERS + _LETTERS.upper(), _LETTERS[::-1] + _LETTERS[::-1].upper())
_CODES = (
    ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- --.. "
    "----- .---- ..--- ...-- ....- ..... -.... --... ---.. ----."
)
_SIGNS = dict(zip(_CODES.split(), _LETTERS + string.digits, strict=True))


def decoded(text: str) -> Iterator[str]:
    """What the text, or a stretch of it, says in each encoding that it could be in."""
    yield from _bytes_in(text)
    for other in (unquote(text), _unnamed(text), _unescaped(text), *_quoted(text)):
        if other != text:
            yield other
    yield from numbered(text)
    yield from inside(text)
    yield from (each for each in rarer(text) if is_language(each))
    yield from leet(text)
    yield from ciphered(text)


def wrapped(text: str) -> Iterator[str]:
    """What the text says in encodings of bytes, where nobody would need one: base64, and escapes of plain letters."""
    yield from _bytes_in(text)
    for pattern in (*_NEEDLESS, _DECIMAL):
        runs = pattern.findall(text)
        if sum(run.count(run[0]) for run in runs) >= LEAST_NEEDLESS:
            yield _unescaped(_unnamed(unquote("".join(runs).replace("=", "%"))))
    whole, count = _TOKENS.subn(_said, text)
    if count and _told(text) >= LEAST_TOKENS:
        yield whole


def inside(text: str) -> Iterator[str]:
    """The text with each stretch of base64 replaced by what it says: a word may be in the clear, the next one not."""
    whole = _TOKENS.sub(_said, text)
    if whole != text:
        yield whole


def is_encoded(token: str) -> bool:
    """Whether a token is base64 of something that reads like text: then it is that text that counts."""
    return any(_as_text(partial(base64.b64decode, _padded(token))))


def _bytes_in(text: str) -> Iterator[str]:
    compact = re.sub(r"\s+", "", text)
    for source in (text, compact) if compact != text else (text,):
        for found in _BASE64.findall(source):
            pieces = [each for each in re.split(r"[_-]", found) if len(each) >= LEAST_PIECE]
            for each in (found, *pieces) if pieces != [found] else pieces:
                yield from _as_text(partial(base64.b64decode, _padded(each)))
        for found in _BASE32.findall(source):
            bare = found.rstrip("=")
            yield from _as_text(partial(base64.b32decode, bare + "=" * (-len(bare) % 8)))
        for found in _BYTES.findall(source):
            yield from _as_text(partial(bytes.fromhex, re.sub(r"0x|\\x|[\s:,;]", "", found)))
    for found in _BASE85.findall(text):
        yield from _as_text(partial(base64.a85decode, found.encode(), adobe=True))


def _quoted(text: str) -> Iterator[str]:
    """Quoted-printable, where there is enough of it."""
    if len(re.findall(r"=[0-9A-F]{2}", text)) >= 3 and text.isascii():
        yield from _as_text(partial(quopri.decodestring, text.encode()))


def numbered(text: str) -> Iterator[str]:
    """Letters as binary or decimal numbers, and as dots and dashes."""
    for found in _BITS.findall(text):
        bits = re.sub(r"[\s,]", "", found)
        yield "".join(chr(int(bits[at : at + 8], 2)) for at in range(0, len(bits) - 7, 8))
    for found in _NUMBERS.findall(text):
        codes = [int(each) for each in re.findall(r"\d+", found)]
        if all(32 <= each < 127 for each in codes):
            yield "".join(map(chr, codes))
    for found in _MORSE.findall(text):
        words = re.split(r"\s*[/|]\s*|\s{3,}|\n", found.replace("·", ".").replace("–", "-").strip())
        letters = [[_SIGNS.get(each, "") for each in word.split()] for word in words]
        if sum(map(len, letters)) >= LEAST_WORDS:
            yield " ".join(map("".join, letters))


def leet(text: str) -> Iterator[str]:
    """Signs for the letters that they look like. What has more digits than letters is an identifier or a table, not a
    text that somebody wants to be read."""
    bare = _UUID.sub(" ", text)
    if len(_LEETED.findall(bare)) >= 2 and sum(map(str.isdigit, bare)) <= sum(map(str.isalpha, bare)):
        yield from (bare.lower().translate(each) for each in _LEET)


def ciphered(text: str) -> Iterator[str]:
    """Letters for other letters: the alphabet turned, mirrored, or the text backwards."""
    said = _long_words(text)
    if len(said) < LEAST_WORDS or known_share(said) >= LEAST_KNOWN:
        return
    candidates = [text[::-1], " ".join(each[::-1] for each in text.split()), text.translate(_MIRRORED)]
    candidates += [text.translate(_turned(by)) for by in range(1, 26)] if text.isascii() else []
    for each in candidates:
        if known_share(_long_words(each)) >= LEAST_KNOWN:
            yield each


def _long_words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]{3,}", text.lower())


def _turned(by: int) -> dict[int, int]:
    alphabet = _LETTERS[by:] + _LETTERS[:by]
    return str.maketrans(_LETTERS + _LETTERS.upper(), alphabet + alphabet.upper())


def _told(text: str) -> int:
    return sum(_said(found) != found.group() for found in _TOKENS.finditer(text))


def _said(found: re.Match[str]) -> str:
    """What a token of base64 says, if it is a word or more and the token none; otherwise the token."""
    if re.fullmatch(r"[A-Z]?[a-z]+|[A-Z]+|\d+", found.group()):
        return found.group()
    said = [each for each in _as_text(partial(base64.b64decode, _padded(found.group()))) if len(each) >= 2]
    return said[0] if said and re.fullmatch(r"[\w\s.,;:'’!?()@/&%+-]+", said[0]) else found.group()


def _unnamed(text: str) -> str:
    """HTML's entities as their characters; numbers cut to what Unicode has, for Python reads none of 4,301 digits."""
    return html.unescape(_ENTITY.sub(r"&#\1", text))


def _unescaped(text: str) -> str:
    """Escapes as their characters; those of JavaScript are halves of one (UTF-16), and half of one is none."""
    return _ESCAPE.sub(_escaped, text).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _escaped(found: re.Match[str]) -> str:
    wide, byte, octal, named = found.groups()
    code = int(octal, 8) if octal else int(wide or byte or named, 16)
    return chr(code) if code < 0x110000 else found.group()


def _padded(found: str) -> str:
    standard = found.replace("-", "+").replace("_", "/").rstrip("=")
    standard = standard[: len(standard) - (len(standard) % 4 == 1)]
    return standard + "=" * (-len(standard) % 4)


def _as_text(decode: Callable[[], bytes]) -> Iterator[str]:
    """What bytes say when they are UTF-8 (or the UTF-16 of Windows) and mostly printable."""
    try:
        data = decode()
        said = codecs.decode(data, "utf-16-le" if data[1:2] == b"\0" else "utf-8")
    except (ValueError, binascii.Error):
        return
    if said and sum(each.isprintable() or each in "\n\t" for each in said) > 0.9 * len(said):
        yield said
