"""Named objects outside Postgres. What they are worth is decided in `broker.storage.external`."""

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EDQUOT, ENOSPC
from pathlib import Path
from typing import Protocol

from broker.storage import Bytes
from m2kt.errors import DiskFull, StorageAway
from m2kt.files import sync_directory

PIECE = 1024 * 1024


class Objects(Protocol):
    """Objects by name. Names are made by us: lower-case hex, digits and slashes."""

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

    def put(self, name: str, data: Bytes) -> None:
        path = self._root / name
        with _named_errors():
            _make_folder(path.parent)
            draft = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
            try:
                _write(draft, data)
                draft.rename(path)
                sync_directory(path.parent)
            finally:
                draft.unlink(missing_ok=True)

    def get(self, name: str, start: int, stop: int) -> Iterator[bytes] | None:
        with suppress(FileNotFoundError), _named_errors():
            return _Pieces(self._root / name, start, stop)
        return None

    def delete(self, name: str) -> None:
        with _named_errors():
            (self._root / name).unlink(missing_ok=True)

    def clear(self, prefix: str) -> None:
        shutil.rmtree(self._root / prefix, ignore_errors=True)


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
