"""Texts from frames with slots: ``{name}`` stands for one of the list of that name, which may have slots itself."""

import random
import re
from collections.abc import Mapping, Sequence

Parts = Mapping[str, Sequence[str]]
_SLOT = re.compile(r"\{(\w+)\}")


def say(frames: Sequence[str], parts: Parts, dice: random.Random) -> str:
    """One text of one of the frames, with spaces and, half the time, the capital letter that people write."""
    text = dice.choice(frames)
    while found := _SLOT.search(text):
        name = found.group(1)
        text = text[: found.start()] + (dice.choice(parts[name]) if name in parts else name) + text[found.end() :]
    text = re.sub(r"\s+([,.;:?!])", r"\1", re.sub(r"\s+", " ", text)).strip()
    return text[:1].upper() + text[1:] if dice.random() < 0.5 else text
