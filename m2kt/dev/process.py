"""Processes that outlive their starter, told apart from strangers that got a recycled process id."""

import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

MARK = "M2KT_RUNTIME"
"""Environment variable that names runtime and service in each process we start, and so in all its descendants."""

POLL_SECONDS = 0.01


def birth(pid: int) -> str | None:
    """When this process was born, or None when there is none alive (a zombie is not).

    On Linux in the kernel's own count: a wall clock that is set must not make our own process a stranger.
    """
    if sys.platform != "linux":
        return _birth_by_clock(pid)
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    state, ticks_since_boot = fields[0], fields[19]  # proc(5), fields 3 and 22
    return None if state in "ZX" else f"{_boot_id()}/{ticks_since_boot}"


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _birth_by_clock(pid: int) -> str | None:
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else repr(process.create_time())
    except psutil.NoSuchProcess:
        return None


def spawn(argv: Sequence[str], env: Mapping[str, str], log: Path) -> int:
    """Start ``argv`` in a session of its own, so that it survives our terminal; output is appended to ``log``.

    Not `subprocess`: its objects belong to their children's parent for life, and complain when dropped.
    """
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    return os.posix_spawn(
        argv[0],
        list(argv),
        dict(env),
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), append, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )


def end(pid: int, how: signal.Signals, patience: float) -> None:
    """Send ``how`` to a process, wait ``patience`` seconds for it and its descendants, then kill what is left."""
    family = {pid: birth(pid)}
    with suppress(psutil.NoSuchProcess):
        family |= {each.pid: birth(each.pid) for each in psutil.Process(pid).children(recursive=True)}
    _signal([pid], how)
    remaining = _wait_gone(family, patience)
    _signal(remaining, signal.SIGKILL)
    _wait_gone({each: family[each] for each in remaining}, 5.0)


def _signal(pids: Iterable[int], how: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, how)


def _wait_gone(births: Mapping[int, str | None], patience: float) -> list[int]:
    """Wait until these processes are dead; returns those that are not."""
    deadline = time.monotonic() + patience
    while True:
        alive = [pid for pid, born in births.items() if born is not None and birth(pid) == born]
        if not alive or time.monotonic() > deadline:
            break
        time.sleep(POLL_SECONDS)
    for pid in births.keys() - set(alive):
        reap(pid)
    return alive


def reap(pid: int) -> int | None:
    """The exit status of a dead child of this very process (negative: the signal); None when it is not that."""
    try:
        ended, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return None
    return os.waitstatus_to_exitcode(status) if ended else None


def mark(root: Path, service: str) -> dict[str, str]:
    """The environment that marks a process, and what it starts, as this service of the runtime under ``root``."""
    return {MARK: f"{root}:{service}"}


def marked(root: Path, service: str) -> Iterator[int]:
    """Ids of the processes that are marked so, ourselves and our parents left out."""
    value = mark(root, service)[MARK]
    family = {os.getpid(), *(each.pid for each in psutil.Process().parents())}
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.pid not in family and process.environ().get(MARK) == value:
                yield process.pid


def named_in(name: str, directory: Path) -> Iterator[int]:
    """Ids of the processes called ``name`` that work in ``directory`` (servers overwrite an environment's mark)."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.name() == name and process.cwd() == str(directory):
                yield process.pid
