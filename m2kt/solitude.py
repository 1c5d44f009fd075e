"""A process without a network: a new network namespace has no interface that is up, not even loopback.

Root may make one; anybody else needs a user namespace around it, which some kernels forbid. Where neither is to be had,
this interpreter at least makes no socket any more: no wall, but nothing in the checks could climb it.
"""

import ctypes
import os
import socket

SOLITARY = "M2KT_NO_NETWORK"
"""Set to 1 for children that are to have no network."""
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000


def cut_off() -> bool:
    """Leave the network; True when the kernel enforces it, False when only this interpreter does.

    To be called before the process has threads: a process that has some may make no user namespace.
    """
    library = ctypes.CDLL(None, use_errno=True)
    for flags in (CLONE_NEWNET, CLONE_NEWNET | CLONE_NEWUSER):
        if os.name == "posix" and hasattr(library, "unshare") and library.unshare(flags) == 0:
            return True
    _forbid_sockets()
    return False


def _forbid_sockets() -> None:
    class Forbidden(socket.socket):
        def __init__(self, *_: object, **__: object) -> None:
            raise PermissionError("a scan has no network")

    socket.socket = Forbidden  # type: ignore[misc]
