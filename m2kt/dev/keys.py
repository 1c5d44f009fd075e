"""The keys of a private runtime, made once."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from m2kt.dev.layout import Layout, full_disk_named, private_directory
from m2kt.signing import keys


@dataclass(frozen=True)
class Keys:
    """Private key files (0600); public halves lie beside them, the administrator's in ``admins``."""

    broker: Path
    admin: Path
    worker: Path
    admins: Path
    """Directory of the public keys whose holders administer the broker."""


def ensure(layout: Layout) -> Keys:
    """Make what is missing; a key that is there is never replaced."""
    made = Keys(
        broker=layout.keys / "broker.key",
        admin=layout.keys / "admin.key",
        worker=layout.keys / "worker.key",
        admins=layout.keys / "admins",
    )
    private_directory(made.admins)
    _ensure_pair(made.broker, layout.keys / "broker.pub")
    _ensure_pair(made.admin, made.admins / "admin.pub")
    _ensure_pair(made.worker, layout.keys / "worker.pub")
    return made


def _ensure_pair(private: Path, public: Path) -> None:
    if not private.exists():
        public.unlink(missing_ok=True)
        with _whole(private):
            keys.write_private(private, keys.generate())
    if not public.exists():
        with _whole(public):
            keys.write_public(public, keys.load_private(private).public_key())


@contextmanager
def _whole(path: Path) -> Iterator[None]:
    """Leave no half-written key when the disk is full."""
    try:
        with full_disk_named(path):
            yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise
