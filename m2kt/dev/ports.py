"""Ports on the loopback address."""

import errno
import socket
from contextlib import suppress
from dataclasses import dataclass

import psutil

from m2kt.errors import PortTaken

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Ports:
    """The ports that somebody asks for; None is any free one."""

    postgres: int | None = None
    valkey: int | None = None
    broker: int | None = None


def choose(wanted: int | None, before: int | None) -> int:
    """The port to listen on: ``wanted``, or raise `PortTaken`; else the one used ``before``; else any free one."""
    if wanted is not None:
        require_free(wanted)
        return wanted
    if before is not None and is_free(before):
        return before
    return _any_free()


def require_free(port: int) -> None:
    """Raise `PortTaken`, naming the holder, when something listens on ``port``."""
    if is_free(port):
        return
    holder = _holder(port)
    if holder is None:
        raise PortTaken(f"port {port} on {LOOPBACK} is taken by another program")
    raise PortTaken(
        f"port {port} on {LOOPBACK} is taken by {holder.name()} (process {holder.pid})",
        hint=f"Stop it (kill {holder.pid}), choose another port, or leave it out and a free one is chosen.",
    )


def is_free(port: int) -> bool:
    """Whether we may listen on ``port`` now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do: TIME_WAIT is no obstacle
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True


def _any_free() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def _holder(port: int) -> psutil.Process | None:
    """Who listens on ``port``; None when the system does not tell us."""
    with suppress(psutil.Error):
        for each in psutil.net_connections(kind="tcp"):
            if each.status == psutil.CONN_LISTEN and each.laddr and each.laddr.port == port and each.pid:
                return psutil.Process(each.pid)
    return None
