"""Letters that pass for others: words of mixed alphabets, words in styles, letters under marks that no language writes.

What is counted are words, by Unicode's advice (UTS 39, 5.1: a word of one script is no disguise); symbols of formulas,
units, cells and genes, pronunciations, and full-width letters in East Asian texts are left alone. One pass.
"""

import re
import unicodedata
from functools import lru_cache
from itertools import pairwise

from m2kt.scan.text.normal import normalized, shown

SWITCHED = 2
"""Changes of script within a word from which on one word is enough."""
MIXED = 3
"""Words with one change of script each that are no accident."""
PHONETIC = 3
STYLED, LEAST_RUN = 8, 3
"""Letters in styles, in runs of at least so many, that are no formula."""
MARKED, LEAST_MARKED = 0.2, 5
"""Share and number of letters with marks of no orthography."""

_WORD = re.compile(r"[^\s\d!-/:-@\[-`{-~«»“”„‘’‚–—…·]{2,}")
_SYMBOLS = frozenset("αβγδεζηθικλμνξπρστυφχψωΔΣΩΠΦΨΘΛΓ")
_SOUNDS = frozenset("əʃʒŋɔɛʊæðθʔːˈˌɪ̃ɹɾɐɜʌ")
_EASTERN = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL")


def looks_alike(text: str) -> bool:
    """Whether the text's letters pass for others."""
    if text.isascii():
        return False
    said = _WORD.findall(normalized("NFC", text))
    return _is_mixed(said) or _is_styled(text) or _is_phonetic(said) or _is_marked(text)


def _is_mixed(said: list[str]) -> bool:
    switches = [_switches(each) for each in said if not _is_formula(each)]
    return any(each >= SWITCHED for each in switches) or sum(each > 0 for each in switches) >= MIXED


def _switches(word: str) -> int:
    """How often a word goes from Latin letters to look-alikes of another script or back."""
    kinds = [kind for kind in map(_kind, word) if kind]
    if "other" in kinds or len(kinds) < 3:  # letters that pass for none: a Russian ending on a Latin name
        return 0
    return sum(one != two for one, two in pairwise(kinds) if {one, two} != {"latin", "styled"})


def _is_formula(word: str) -> bool:
    """Greek letters beside capitals or alone: units, formulas, names of genes."""
    foreign = [each for each in word if _kind(each) == "double"]
    bare = [each for each in word if _kind(each) == "latin"]
    return (
        bool(foreign)
        and set(foreign) <= _SYMBOLS
        and (len(bare) < 3 or all(each.isupper() for each in bare) or (len(foreign) < 2 and not bare[0].islower()))
    )


def _is_styled(text: str) -> bool:
    letters, run, mixed, last = 0, 0, 0, ""
    eastern = any(unicodedata.name(each, "").startswith(_EASTERN) for each in text if ord(each) > 0x2E80)
    for each in text:
        kind = _kind(each)
        styled = kind == "styled" and not (eastern and 0xFF01 <= ord(each) <= 0xFF5E)
        run = run + 1 if styled else 0
        letters += LEAST_RUN if run == LEAST_RUN else run > LEAST_RUN
        mixed += {kind, last} == {"styled", "latin"} and not _is_raised(each)
        last = kind
    return letters >= STYLED or (mixed >= STYLED and not eastern)


def _is_raised(character: str) -> bool:
    """Super- and subscripts, as formulas and ordinals have them."""
    return unicodedata.decomposition(character).startswith(("<super>", "<sub>"))


def _is_phonetic(said: list[str]) -> bool:
    """Small capitals and letters of phonetic alphabets for plain ones, and no pronunciation."""
    found = [each for each in said if sum(_kind(letter) == "phonetic" for letter in each) >= 1]
    if any(letter in _SOUNDS and letter != "ɪ" for each in found for letter in each):
        return False
    return len(found) >= PHONETIC


def _is_marked(text: str) -> bool:
    """Marks over, under and through letters, more than languages have."""
    letters = [each for each in normalized("NFC", text) if each.isalpha() and _is_latin(each)]
    odd = sum(_is_odd(each) for each in letters)
    loose = sum(
        unicodedata.category(each) in ("Mn", "Me")
        for each in normalized("NFC", text)
        if "\u0300" <= each <= "\u036f" or "\u20d0" <= each <= "\u20f0"
    )
    return odd + loose >= max(LEAST_MARKED, MARKED * len(letters))


def _is_latin(character: str) -> bool:
    return unicodedata.name(character, "").startswith("LATIN")


def _is_odd(character: str) -> bool:
    """A letter with a mark of transliterations (Latin Extended Additional) but of no common orthography."""
    return "\u1e00" <= character <= "\u1e9f" or ("\u01cd" <= character <= "\u024f" and character not in "șțȘȚ")


@lru_cache(maxsize=4096)
def _kind(character: str) -> str:
    """``latin`` (whatever languages write), ``styled``, ``phonetic``, ``double`` (another script's look-alike),
    ``other`` (another script's own letter), or nothing for signs."""
    seen, name = shown(character), unicodedata.name(character, "")
    latin = len(seen) == 1 and seen.isascii() and seen.isalpha()
    compatible = unicodedata.decomposition(character).startswith("<")
    if character.isascii():
        return "latin" if character.isalpha() else ""
    if compatible and re.fullmatch(r"\(?[0-9A-Za-z]\)?", unicodedata.normalize("NFKC", character)):
        return "" if character in "ªº²³¹" else "styled"
    if latin and name.startswith(("SQUARED", "NEGATIVE", "CROSSED")):
        return "styled"
    if not character.isalpha():
        return ""
    if name.startswith("LATIN"):
        plain = unicodedata.normalize("NFD", character)[0].isascii() or not latin
        return "latin" if plain or character in "øØłŁđĐħıæÆœŒßþðŋəƏŧ" else "phonetic"
    return "double" if latin else "other"
