"""One extraction of this teacher, in a child: a signed packet as a file, whole or not there."""

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from m2kt.agent.child import OnProgress
from m2kt.agent.drain import Drain
from m2kt.agent.guard import Guard
from m2kt.agent.supervise import Mind, supervised
from m2kt.files import disk_errors, sync_directory
from m2kt.packet import Packet, canonical, read_packet
from teacher_agent.config import Config


@dataclass(frozen=True)
class Wanted:
    """What to extract, and what the packet says of itself."""

    domain: str
    name: str
    version: str
    parents: Sequence[str] = ()
    licence: str | None = None
    settings: Mapping[str, Any] | None = None
    limit_seconds: float | None = None


def extract_to(
    path: Path,
    wanted: Wanted,
    config: Config,
    guard: Guard,
    drain: Drain,
    on_progress: OnProgress,
    mind: Mind = lambda: None,
) -> None:
    """Extract, and put the signed packet at ``path``.

    The child writes beside it and only we, who hold the state's lock, move it into place: a child that outlives its
    daemon by a moment replaces nothing.
    """
    with disk_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".extract-") as scratch:
        out = Path(scratch) / "packet.m2kt"
        supervised(
            "teacher_agent",
            "extract",
            _spec(out, wanted, config),
            guard=guard,
            drain=drain,
            mind=mind,
            on_progress=on_progress,
            log=config.state / "extract.log",
            timeout=min((each for each in (wanted.limit_seconds, config.limit_seconds) if each), default=None),
        )
        with disk_errors(path):
            os.replace(out, path)
            sync_directory(path.parent)


def _spec(out: Path, wanted: Wanted, config: Config) -> dict[str, Any]:
    """The job's specification; without ``broker``: the daemon publishes, under its own rules."""
    return {
        "model": str(config.model.resolve()),
        "domain": wanted.domain,
        "name": wanted.name,
        "version": wanted.version,
        "parents": list(wanted.parents),
        "licence": wanted.licence or config.licence,
        "key": str(config.key.resolve()),
        "out": str(out.resolve()),
        "device": config.device,
        "dtype": config.dtype,
        "settings": dict(config.settings if wanted.settings is None else wanted.settings),
        **({"threads": config.threads} if config.threads else {}),
    }


def opened(path: Path) -> tuple[bytes, Packet] | None:
    """A packet that an extraction left at ``path``; None when there is none."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    return data, read_packet(data)


def says_the_same(ours: Packet, theirs: Mapping[str, Any]) -> bool:
    """Whether a published manifest is of the same weights, domain and extraction: then there is nothing to add."""
    mine = canonical.loads(ours.manifest_bytes, max_bytes=len(ours.manifest_bytes))
    return _source(mine) == _source(theirs)


def _source(manifest: Mapping[str, Any]) -> tuple[Any, ...]:
    """Not the directory's name: a copy is the same teacher."""
    teacher = {name: each for name, each in manifest["teacher"].items() if name != "name"}
    return manifest["kind"], manifest["domain"], teacher, manifest["extraction"]
