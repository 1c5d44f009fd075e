"""Honest sentences in many languages: the messages of programs that are installed on this machine (gettext catalogues).

They are read where they lie, and none of them stands in this repository; on a machine without them classifiers come out
with less of other languages.
"""

import gettext
import random
import struct
from collections.abc import Iterator
from pathlib import Path

LOCALES = Path("/usr/share/locale")
LANGUAGES = (
    "de fr es it pt_BR nl pl cs sk hu ro hr sl bg sv nb da fi tr el ru uk vi id zh_CN ja ko ar he hi sr lt lv et ca fa "
    "th"
)
SEED, PER_LANGUAGE = 5, 150
SHORTEST, LONGEST = 15, 400


def messages(part: int, parts: int = 2) -> list[str]:
    """Every ``parts``-th message: one share trains, the others judge."""
    return [each for language in LANGUAGES.split() for each in _drawn(language)][part::parts]


def _drawn(language: str) -> list[str]:
    found = sorted(set(_catalogues(language)))
    random.Random(SEED).shuffle(found)
    return found[:PER_LANGUAGE]


def _catalogues(language: str) -> Iterator[str]:
    for path in sorted((LOCALES / language / "LC_MESSAGES").glob("*.mo")):
        with path.open("rb") as file:
            try:
                said = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]  # no other way to list them
            except (OSError, UnicodeError, ValueError, struct.error):
                continue
        for key, text in said.items():
            if isinstance(key, str) and key and SHORTEST <= len(text) <= LONGEST and text != key:
                yield text
