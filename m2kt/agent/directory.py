"""A model's directory: what lies in it now, as one digest, once nobody writes to it any more."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

from m2kt.errors import ModelError

BLOCK = 1 << 20

Look = tuple[tuple[str, int, int], ...]
"""Name, size and modification time (ns) of every file, by name: cheap, and different when a file was written."""


def look(directory: Path) -> Look:
    """What is there, without reading it; `ModelError` when the directory, or a file of it, is not there."""
    try:
        found = [(each.relative_to(directory).as_posix(), each.stat()) for each in _files(directory)]
    except OSError as error:
        raise ModelError(f"cannot look into {directory}: {error.strerror or error}") from error
    if not found:
        raise ModelError(f"there is no model in {directory}")
    return tuple((name, status.st_size, status.st_mtime_ns) for name, status in found)


def digest(directory: Path) -> str:
    """``sha256:...`` over the names and contents of all files."""
    whole = hashlib.sha256()
    try:
        for each in _files(directory):
            with each.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            whole.update(f"{each.relative_to(directory).as_posix()}\0{content}\n".encode())
    except OSError as error:
        raise ModelError(f"cannot read {directory}: {error.strerror or error}") from error
    return f"sha256:{whole.hexdigest()}"


def _files(directory: Path) -> list[Path]:
    """Hidden files are nobody's model: editors and downloads put theirs beside it while they write."""
    found = (each for each in directory.rglob("*") if each.is_file())
    return sorted(each for each in found if not any(part.startswith(".") for part in each.relative_to(directory).parts))


class Watch:
    """One directory, looked at now and then. It has settled when nothing changed for ``settle_seconds``."""

    def __init__(self, directory: Path, settle_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._directory, self._settle, self._clock = directory, settle_seconds, clock
        self._seen: Look = ()
        self._since = 0.0
        self._digest: str | None = None

    def settled(self) -> str | None:
        """The digest of what is there; None while it changes. Files are read again only after they were written."""
        now, seen = self._clock(), look(self._directory)
        if seen != self._seen:
            self._seen, self._since, self._digest = seen, now, None
        if now - self._since < self._settle:
            return None
        if self._digest is None:
            found = digest(self._directory)
            self._digest = found if look(self._directory) == seen else None
        return self._digest
