"""Where everything of one runtime lies, and files that are whole or absent."""

import errno
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from m2kt.errors import DiskFull, RuntimeFault

SOCKET_PATH_LIMIT = 103
"""The shortest limit of a Unix socket's path among our systems (macOS; Linux has 107)."""

LONGEST_SOCKET_NAME = "/.s.PGSQL.65535.lock"
CLAIM = ".m2kt-runtime"
DRAFT = "postgres.new."
"""Prefix of a database that is being made."""

PLAIN_PATH = re.compile(r"[A-Za-z0-9._/-]+")


@dataclass(frozen=True)
class Layout:
    """The paths of one runtime, all below ``root`` (absolute), save for sockets when ``root`` is too long for them."""

    root: Path

    @property
    def state(self) -> Path:
        return self.root / "state.json"

    @property
    def lock(self) -> Path:
        return self.root / "lock"

    @property
    def postgres(self) -> Path:
        return self.root / "postgres"

    @property
    def valkey(self) -> Path:
        return self.root / "valkey"

    @property
    def secrets(self) -> Path:
        return self.root / "secrets"

    @property
    def keys(self) -> Path:
        return self.root / "keys"

    @property
    def work(self) -> Path:
        return self.root / "work"

    @property
    def logs(self) -> Path:
        return self.root / "log"

    @property
    def sockets(self) -> Path:
        """The socket directory: Postgres splits it at commas, and the system limits its length."""
        near = self.root / "run"
        if len(str(near) + LONGEST_SOCKET_NAME) <= SOCKET_PATH_LIMIT and PLAIN_PATH.fullmatch(str(near)):
            return near
        name = hashlib.sha256(str(self.root).encode()).hexdigest()[:16]
        return Path("/tmp") / f"m2kt-{name}"  # noqa: S108 - TMPDIR may be as long as the root was; private_directory checks it

    def log(self, service: str) -> Path:
        return self.logs / f"{service}.log"

    @property
    def parts(self) -> tuple[Path, ...]:
        """What a reset deletes."""
        return (self.postgres, self.valkey, self.secrets, self.keys, self.work, self.logs)

    def drafts(self) -> list[Path]:
        """Databases that are being made, or that a crash left so."""
        return [path for path in self.root.glob(DRAFT + "*") if path.is_dir()]

    @property
    def claimed(self) -> bool:
        """Whether ``root`` is a runtime's: only then may its parts be deleted."""
        return (self.root / CLAIM).exists()

    def claim(self) -> None:
        """Make ``root`` a runtime's, or raise when directories of our names in it are somebody else's."""
        private_directory(self.root)
        names = {each.name for each in self.root.iterdir()}  # one look: another `up` may be claiming too
        foreign = [each.name for each in self.parts if each.name in names]
        if CLAIM not in names and foreign:
            raise RuntimeFault(
                f"{self.root} holds {', '.join(foreign)} that no runtime made", hint="Choose another --root."
            )
        with full_disk_named(self.root):
            (self.root / CLAIM).touch(mode=0o600)

    def prepare(self) -> None:
        """Make the directories, readable by their owner only."""
        for each in (self.secrets, self.keys, self.work, self.logs, self.valkey, self.sockets):
            private_directory(each)

    def secret(self, name: str) -> str:
        """The password of a server, made once and kept in a file of mode 0600."""
        path = self.secrets / name
        if not path.exists():
            write_atomically(path, secrets.token_urlsafe(32))
        return path.read_text()

    def clear_running(self) -> None:
        """Remove what only a running runtime needs. The lock goes last: its holder calls this."""
        shutil.rmtree(self.sockets, ignore_errors=True)
        self.state.unlink(missing_ok=True)
        self.lock.unlink(missing_ok=True)

    def clear_all(self) -> None:
        """Remove what this runtime made, and nothing else that may lie in ``root``."""
        for each in (*self.parts, *self.drafts()):
            shutil.rmtree(each, ignore_errors=True)
        (self.root / CLAIM).unlink(missing_ok=True)
        self.clear_running()
        if not any(self.root.iterdir()):
            self.root.rmdir()


def private_directory(path: Path) -> None:
    """Make ``path`` with mode 0700, or raise when it is somebody else's: /tmp is shared."""
    with full_disk_named(path):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.lstat().st_uid != os.geteuid() or path.is_symlink():
        raise RuntimeFault(f"{path} belongs to another user", hint="Choose another directory with --root.")


def write_atomically(path: Path, text: str) -> None:
    """Write ``text`` to ``path``, mode 0600, so that a reader or a crash finds the old file or the new one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with full_disk_named(path):
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(text)
                file.flush()
                os.fsync(descriptor)
            draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def full_disk_named(path: Path) -> Iterator[None]:
    """Name a full disk (or quota) as `DiskFull`."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(f"no space left for {path}") from error
        raise
