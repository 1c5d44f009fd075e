"""Blind sets: texts that somebody wrote who had not seen the checks (BRIEF.md), and how they are read."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HOME = Path(__file__).parent


@dataclass(frozen=True)
class Payload:
    """A text that must be caught: ``kind`` is secret, personal or injection."""

    kind: str
    disguise: str
    text: str


def payloads(path: Path) -> Iterator[Payload]:
    """The payloads of a file, in its order."""
    for said in _lines(path):
        yield Payload(str(said["kind"]), str(said["disguise"]), _text(said))


def benign(path: Path) -> Iterator[str]:
    """The honest texts of a file, in its order."""
    yield from (_text(said) for said in _lines(path))


def judged(path: Path) -> Iterator[tuple[str, bool]]:
    """Texts, and whether each is harmful."""
    yield from ((_text(said), bool(said["harmful"])) for said in _lines(path))


def _lines(path: Path) -> Iterator[dict[str, object]]:
    yield from (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip())


def _text(said: dict[str, object]) -> str:
    return base64.b64decode(str(said["base64"])).decode("utf-8")
