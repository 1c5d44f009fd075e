"""Named objects outside Postgres. What they are worth is decided in `broker.storage.external`."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from errno import EDQUOT, ENOSPC
from pathlib import Path
from typing import Protocol

from broker.storage import Bytes
from m2kt.errors import DiskFull, StorageAway
from m2kt.files import sync_directory

PIECE = 1024 * 1024


class Sheet(Protocol):
    """An object on its way: nobody sees it before it is `keep`-t."""

    def keep(self) -> None:
        """Whole and durable under its name when this returns; what was there before is replaced at once."""
        ...

    def drop(self) -> None:
        """Leave nothing of it; after `keep` it changes nothing."""
        ...


class Objects(Protocol):
    """Objects by name. Names are made by us: lower-case hex, digits and slashes."""

    def draft(self, name: str, data: Bytes) -> Sheet:
        """Do all that takes long without touching what lies under ``name``; again and again, from several threads."""
        ...

    def put(self, name: str, data: Bytes) -> None:
        """Whole and durable when this returns, or not there; what was there before is replaced at once."""
        ...

    def get(self, name: str, start: int, stop: int) -> Iterator[bytes] | None:
        """The bytes ``[start, stop)`` in pieces, opened before this returns; None when there is no such object."""
        ...

    def delete(self, name: str) -> None:
        """Remove an object, or do nothing."""
        ...

    def clear(self, prefix: str) -> None:
        """Remove all objects whose names begin with ``prefix`` and a slash."""
        ...


class FileObjects:
    """Objects in a directory of this host, or of a file system that all replicas share (with POSIX ``rename`` and
    ``fsync``). A name is there once its bytes are on the disk: draft, fsync, rename, fsync of the directory."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def draft(self, name: str, data: Bytes) -> "_FileSheet":
        path = self._root / name
        sheet = _FileSheet(path.with_name(f"{_drafts(path.name)}{uuid.uuid4().hex}"), path)
        with _named_errors():
            _make_folder(path.parent)
            try:
                _write(sheet.draft, data)
            except BaseException:
                sheet.drop()
                raise
        return sheet

    def put(self, name: str, data: Bytes) -> None:
        self.draft(name, data).keep()

    def get(self, name: str, start: int, stop: int) -> Iterator[bytes] | None:
        with suppress(FileNotFoundError), _named_errors():
            return _Pieces(self._root / name, start, stop)
        return None

    def delete(self, name: str) -> None:
        """And its drafts, whose writers were killed."""
        path = self._root / name
        with _named_errors():
            path.unlink(missing_ok=True)
            for each in path.parent.glob(f"{_drafts(path.name)}*"):
                each.unlink(missing_ok=True)

    def clear(self, prefix: str) -> None:
        shutil.rmtree(self._root / prefix, ignore_errors=True)


def _drafts(name: str) -> str:
    return f".{name}."


@dataclass(frozen=True)
class _FileSheet:
    """A draft whose bytes are on the disk, beside the name that it will have."""

    draft: Path
    path: Path

    def keep(self) -> None:
        with _named_errors():
            try:
                self.draft.rename(self.path)
            except FileNotFoundError:  # the collector took it for one that a killed broker left behind
                raise StorageAway("the bytes were collected as abandoned before their packet was stored") from None
            sync_directory(self.path.parent)

    def drop(self) -> None:
        with suppress(OSError):
            self.draft.unlink(missing_ok=True)


def _make_folder(path: Path) -> None:
    """A folder whose own name is on the disk, too."""
    if not path.exists():
        _make_folder(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)
        sync_directory(path.parent)


def _write(path: Path, data: Bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _Pieces:
    """A part of a file, in pieces; closed at its end, or when its reader lets go of it."""

    def __init__(self, path: Path, start: int, stop: int) -> None:
        self._descriptor = -1
        self._descriptor = os.open(path, os.O_RDONLY)
        self._at, self._stop = start, stop

    def __iter__(self) -> "_Pieces":
        return self

    def __next__(self) -> bytes:
        if self._at >= self._stop:
            self.__del__()
            raise StopIteration
        piece = os.pread(self._descriptor, min(PIECE, self._stop - self._at), self._at)
        if not piece:
            raise StorageAway("a blob is shorter than it was when it was received")
        self._at += len(piece)
        return piece

    def __del__(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


@contextmanager
def _named_errors() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno in (ENOSPC, EDQUOT):
            raise DiskFull("no space left for blobs") from error
        raise StorageAway(f"the directory of blobs does not answer: {error.strerror}") from error
