"""Rarer encodings of bytes and letters: Braille, spelling alphabets, letters by number, base 58 and 85, packed bytes.

Each yields what a text, or a stretch of it, may say; whether that says anything is for `m2kt.scan.text.encodings`.
"""

import base64
import binascii
import re
import string
import zlib
from collections.abc import Iterator
from contextlib import suppress

MOST_UNPACKED = 1 << 14
"""Bytes that packed ones are unpacked to: no bomb is followed."""

_BRAILLE = dict(zip("⠁⠃⠉⠙⠑⠋⠛⠓⠊⠚⠅⠇⠍⠝⠕⠏⠟⠗⠎⠞⠥⠧⠺⠭⠽⠵⠲⠂⠄⠀", "abcdefghijklmnopqrstuvwxyz.,' ", strict=True))
_SPELT = (
    "alfa|alpha bravo charlie delta echo foxtrot golf hotel india juliett?|juliet kilo lima mike november oscar papa "
    "quebec romeo sierra tango uniform victor whiskey|whisky x-?ray yankee zulu"
)
_NATO = {
    name: letter
    for letter, names in zip(string.ascii_lowercase, _SPELT.split(), strict=True)
    for name in names.split("|")
}
_FIGURES = "zero one two three four five six seven eight nine"
_NATO |= {"juliett": "j", "juliet": "j", "xray": "x", "x-ray": "x"}
_NATO |= {name: str(at) for at, name in enumerate(_FIGURES.split())}
_NAMED = re.compile(r"[A-Za-z-]+|[^\sA-Za-z]")
_PLACES = re.compile(r"(?<![\w.])(?:(?:[1-9]|1\d|2[0-6])(?:[-.\s]|\s?[/|]\s?)){11,}(?:[1-9]|1\d|2[0-6])(?![\w.])")
_OCTAL = re.compile(r"(?:\\?(?:0?4[0-7]|0?[5-7][0-7]|1[0-7]{2})[\s,]{0,2}){8,}")
_BASE58 = re.compile(r"(?<![0-9A-Za-z])[1-9A-HJ-NP-Za-km-z]{22,512}(?![0-9A-Za-z])")
_BASE85 = re.compile(r"(?<!\S)[0-9A-Za-z!#$%&()*+;<=>?@^_`{|}~-]{20,4096}(?!\S)")
_ASCII85 = re.compile(r"(?<!\S)[!-u]{20,4096}(?!\S)")
_UTF7 = re.compile(r"\+[A-Za-z0-9+/]{5,}-?")
_PACKED = re.compile(r"(?:H4sI|eJ|eN|eA|eF)[A-Za-z0-9+/_-]{16,16384}={0,2}")
_HEX_DUMP = re.compile(r"(?m)^\s{0,4}[0-9a-f]{4,8}:?\s{1,3}((?:[0-9a-f]{2,4}\s){4,16})")
_ALPHABET58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def rarer(text: str) -> Iterator[str]:
    """What the text says in each of these encodings, if its signs are theirs."""
    if sum(each in _BRAILLE for each in text) >= 8:
        yield "".join(_BRAILLE.get(each, each) for each in text)
    yield from _spelt(text)
    for found in _PLACES.findall(text):
        words = re.split(r"\s?[/|]\s?|\s{2,}", found) if re.search(r"[/|]|\s{2,}", found) else re.split(r"\s", found)
        yield " ".join("".join(chr(96 + int(each)) for each in re.findall(r"\d+", word)) for word in words)
        yield "".join(chr(96 + int(each)) for each in re.findall(r"\d+", found))
    for found in _OCTAL.findall(text):
        yield "".join(chr(int(each, 8)) for each in re.findall(r"1[0-7]{2}|0?[4-7][0-7]", found))
    for found in _UTF7.findall(text):
        with suppress(UnicodeError):
            yield found.encode("ascii").decode("utf-7")
    if text.isascii() and _is_turned47(text):
        yield text.translate(_TURNED47)
    for data in _bytes_in(text):
        with suppress(UnicodeError):
            yield data.decode("utf-8")


def _spelt(text: str) -> Iterator[str]:
    """Words of a spelling alphabet as their letters."""
    said = _NAMED.findall(text.lower())
    letters = [_NATO.get(each) for each in said]
    if sum(each is not None for each in letters) >= max(8, len(said) * 0.6):
        yield "".join(
            letter if letter else (" " if not word.isalnum() or word in ("space", "stop") else word)
            for letter, word in zip(letters, said, strict=True)
        )


def _bytes_in(text: str) -> Iterator[bytes]:
    for found in _BASE58.findall(text):
        number = 0
        for each in found:
            number = number * 58 + _ALPHABET58.index(each)
        yield number.to_bytes((number.bit_length() + 7) // 8, "big")
    with suppress(ValueError):
        yield from (base64.b85decode(each) for each in _BASE85.findall(text))
    with suppress(ValueError):
        yield from (base64.a85decode(each) for each in _ASCII85.findall(text))
    for found in _PACKED.findall(text):
        yield from _unpacked(found)
    dump = "".join(_HEX_DUMP.findall(text))
    with suppress(ValueError):
        yield bytes.fromhex(re.sub(r"\s", "", dump))
    if re.match(r"begin \d{3} \S", text):
        with suppress(ValueError, binascii.Error):
            yield b"".join(
                binascii.a2b_uu(each) for each in text.splitlines()[1:] if each.strip() not in ("", "end", "`")
            )


def _unpacked(found: str) -> Iterator[bytes]:
    """Base64 of gzip or zlib, at most ``MOST_UNPACKED`` bytes of it."""
    standard = found.replace("-", "+").replace("_", "/").rstrip("=")
    with suppress(ValueError, binascii.Error, zlib.error):
        data = base64.b64decode(standard + "=" * (-len(standard) % 4))
        yield zlib.decompressobj(47).decompress(data, MOST_UNPACKED)


_SIGNS47 = "".join(map(chr, range(33, 127)))
_TURNED47 = str.maketrans(_SIGNS47, _SIGNS47[47:] + _SIGNS47[:47])


def _is_turned47(text: str) -> bool:
    """Whether there are more signs than texts have, and other ones than digits."""
    return (
        len(text) >= 16
        and sum(each.isalpha() for each in text) < 0.6 * len(text)
        and sum(each.isdigit() for each in text) < 0.3 * len(text)
    )
