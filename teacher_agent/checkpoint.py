"""What a teacher daemon must remember to publish each state of its model once, however often it is killed.

    STATE/lines/<name>.json     one file for each name that it publishes under, replaced atomically
    STATE/packets/<name>-<version>.m2kt   a packet that is signed and may be published already

The order makes it safe: source and version are written down before the extraction begins, the packet is a whole file
before its id counts, and only what is a file is published. The broker knows a packet by its id, so a publication that
is repeated after a kill changes nothing; the version is the pending one's for ever, so it is never used for two.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from m2kt.errors import RuntimeFault
from m2kt.files import write_atomically

SCHEMA = "m2kt.teacher-line/1"


@dataclass(frozen=True)
class Published:
    """The last state of the model that others can have: ``source`` is its directory's digest."""

    source: str
    version: str
    packet_id: str
    led: bool = False
    """Whether its channel was led to it, or need not be."""


@dataclass(frozen=True)
class Pending:
    """What is under way for this source: a version that is its own, and the parents that the packet names."""

    source: str
    version: str
    parents: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refused:
    """A source that cannot be extracted, and why: asking again would say the same."""

    source: str
    code: str
    detail: str


@dataclass(frozen=True)
class Line:
    """The checkpoint of one name."""

    published: Published | None = None
    pending: Pending | None = None
    refused: Refused | None = None

    @property
    def settled_source(self) -> str | None:
        """The source about which nothing is left to do."""
        if self.pending is not None:
            return None
        last = self.refused or self.published
        return last.source if last else None


@dataclass(frozen=True)
class Checkpoints:
    """The state directory of one teacher."""

    root: Path

    def read(self, name: str) -> Line:
        path = self._path(name)
        try:
            found = json.loads(path.read_bytes())
            if found.pop("schema") != SCHEMA:
                raise ValueError("another schema than this version's")
            return _line(found)
        except FileNotFoundError:
            return Line()
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise RuntimeFault(
                f"{path} cannot be read: {error!r}",
                hint="Move it away: what the broker has is then looked up there before anything is published.",
            ) from error

    def write(self, name: str, line: Line) -> None:
        data = json.dumps({"schema": SCHEMA, **asdict(line)}, indent=1).encode()
        write_atomically(self._path(name), data)

    def packet(self, name: str, version: str) -> Path:
        return self.root / "packets" / f"{quote(name, safe='')}-{version}.m2kt"

    def _path(self, name: str) -> Path:
        return self.root / "lines" / f"{quote(name, safe='')}.json"


def _line(found: dict[str, Any]) -> Line:
    pending = found["pending"]
    return Line(
        published=Published(**found["published"]) if found["published"] else None,
        pending=Pending(**{**pending, "parents": tuple(pending["parents"])}) if pending else None,
        refused=Refused(**found["refused"]) if found["refused"] else None,
    )
