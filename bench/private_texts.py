"""What the classifiers of secrets, of personal data and of instructions are trained on: frames filled in, each text
with the frame that it came from, so that whole frames can be held out."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import (
    everyday_texts,
    foreign_texts,
    harm_texts,
    injection_frames,
    injection_texts,
    packet_texts,
    personal_texts,
    secret_texts,
)
from bench.grammar import Parts, say
from bench.messages import messages
from bench.payloads import benign, more
from bench.private_parts import drawn, honest_parts

SEED = 8
PER_FRAME, PER_HONEST = 8, 8
MANUALS = 3
"""One in so many of the honest paragraphs trains; the others choose the limit."""


SHORTEST, LONGEST = 30, 500
"""Characters of a line of this repository's manuals that is a text."""


@dataclass(frozen=True)
class Example:
    """A text, whether it is one of the class, and the frame (or the source) that it came from."""

    text: str
    label: bool
    frame: str


def examples(kind: str) -> Iterator[Example]:
    """All of a kind: ``secret``, ``personal`` or ``injection``."""
    dice = random.Random(SEED)
    frames, parts = _frames(kind)
    yield from (Example(say((each,), parts, dice), True, each) for each in frames for _ in range(PER_FRAME))
    yield from honest(dice)
    yield from (Example(each, False, "manual") for each in (*manuals(0), *messages(0), *talk(0), *documents(0)))


def honest(dice: random.Random) -> Iterator[Example]:
    """Frames of honest texts, those of the classifier of instructions among them."""
    everyday: Parts = {**everyday_texts.PARTS, **honest_parts()}
    technical: Parts = {**injection_texts.PARTS, **injection_texts.HONEST_PARTS, **injection_texts.HONEST_MORE}
    for frames, parts, count in (
        (everyday_texts.FRAMES, everyday, PER_HONEST),
        (packet_texts.FRAMES, everyday, PER_HONEST),
        (foreign_texts.FRAMES, everyday, PER_HONEST // 2),
        (injection_texts.HONEST_KINDS, technical, 120),
    ):
        yield from (Example(say((each,), parts, dice), False, each) for each in frames for _ in range(count))


def manuals(part: int) -> list[str]:
    """Every ``MANUALS``-th of the honest paragraphs of other projects, and of the licence."""
    licence = (Path(__file__).resolve().parent.parent / "LICENSE").read_text(encoding="utf-8").splitlines()
    return [*(each.strip() for each in licence if each.strip()), *benign(), *more()][part::MANUALS]


def _frames(kind: str) -> tuple[Sequence[str], Parts]:
    if kind == "secret":
        return secret_texts.FRAMES, {**drawn(), **secret_texts.PARTS}
    if kind == "personal":
        return personal_texts.FRAMES, {**drawn(), **personal_texts.PARTS}
    older = [frame for frames in injection_texts.KINDS.values() for frame in frames] * 2
    parts: Mapping[str, Sequence[str]] = {
        **injection_texts.PARTS,
        **injection_texts.PARTS_MORE,
        **injection_frames.PARTS,
    }
    return (*older, *injection_texts.FOREIGN, *injection_frames.FRAMES, *injection_frames.FOREIGN), parts


def talk(part: int) -> list[str]:
    """Every second text of the classifier of harm, honest and not: none of them orders a reader to do anything."""
    told = dict.fromkeys(text for text, _ in harm_texts.training())
    known = set(manuals(0)) | set(manuals(1)) | set(manuals(2))
    return [each for each in told if each not in known and len(each) <= LONGEST][part::2]


def documents(part: int) -> list[str]:
    """Every second line of this repository's manuals."""
    home = Path(__file__).resolve().parent.parent / "docs"
    lines = (
        line.strip() for path in sorted(home.glob("*.md")) for line in path.read_text(encoding="utf-8").splitlines()
    )
    return [each for each in dict.fromkeys(lines) if SHORTEST < len(each) < LONGEST][part::2]
