"""Files are whole or not there, whatever the disk does."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from m2kt.errors import DiskFull, UsageError
from m2kt.files import disk_errors, write_atomically


def refusing(code: int) -> Callable[..., NoReturn]:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise OSError(code, os.strerror(code))

    return refuse


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    return path


def test_writes_the_bytes_with_the_mode_and_makes_the_directories(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file"
    write_atomically(path, b"new", 0o600)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(path.parent) == ["file"]


def test_replaces_the_old_file(old: Path) -> None:
    write_atomically(old, b"new")
    assert old.read_bytes() == b"new"


@pytest.mark.parametrize("step", ["fsync", "chmod", "replace"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_at_any_step_keeps_the_old_file_and_leaves_nothing_behind(
    old: Path, monkeypatch: pytest.MonkeyPatch, step: str, code: int
) -> None:
    monkeypatch.setattr(os, step, refusing(code))
    with pytest.raises(DiskFull, match=str(old)):
        write_atomically(old, b"new")
    monkeypatch.undo()
    assert old.read_bytes() == b"old"
    assert os.listdir(old.parent) == ["file"]


def test_a_full_disk_that_takes_no_directory_is_said_to_be_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "mkdir", refusing(errno.ENOSPC))
    with pytest.raises(DiskFull, match="new/file"):
        write_atomically(tmp_path / "new" / "file", b"new")
    assert os.listdir(tmp_path) == []


def test_a_disk_that_is_full_while_writing_keeps_the_old_file(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.fdopen

    def full(descriptor: int, mode: str) -> object:
        os.close(descriptor)  # the device that is always full, in the place of ours
        return real(os.open("/dev/full", os.O_WRONLY), mode)

    monkeypatch.setattr(os, "fdopen", full)
    with pytest.raises(DiskFull):
        write_atomically(old, b"new" * 10_000)
    assert old.read_bytes() == b"old"
    assert os.listdir(old.parent) == ["file"]


def test_an_interrupted_write_keeps_the_old_file(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(old, b"new")
    assert old.read_bytes() == b"old"
    assert os.listdir(old.parent) == ["file"]


def test_a_place_below_a_file_is_a_usage_error_that_names_it(old: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot write .*file/below") as caught:
        write_atomically(old / "below", b"new")
    assert caught.value.hint == "Name a place you may write to."


def test_a_directory_in_the_file_s_place_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(UsageError, match="cannot write"):
        write_atomically(tmp_path / "file", b"new")
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS])
def test_a_place_that_may_not_be_written_is_a_usage_error(
    old: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr("tempfile.mkstemp", refusing(code))
    with pytest.raises(UsageError, match=os.strerror(code)):
        write_atomically(old, b"new")
    assert old.read_bytes() == b"old"


def test_errors_that_are_not_the_disk_s_pass_through() -> None:
    with pytest.raises(KeyError), disk_errors(Path("file")):
        raise KeyError("mine")
