"""The demo's process: named steps with times, progress bars, and the memory that all processes used together."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
from rich.console import Console

from m2kt.agent.child import OnProgress
from m2kt.cli.bars import bars

SAMPLE_SECONDS = 0.5
MEBIBYTE = 2**20


class Steps:
    """Tells and times what happens."""

    def __init__(self, console: Console) -> None:
        self.seconds: dict[str, float] = {}
        self._console = console

    @contextmanager
    def step(self, name: str, says: str) -> Iterator[OnProgress]:
        """One step: its line, its progress bars, its seconds."""
        self._console.print(f"[bold]{len(self.seconds) + 1}.[/] {says}")
        started = time.perf_counter()
        with bars() as show:
            yield show
        self.seconds[name] = round(time.perf_counter() - started, 2)

    def tell(self, line: str) -> None:
        """A line under the current step."""
        self._console.print(f"   {line}", highlight=False)


@contextmanager
def peak_memory(others: Callable[[], list[int]]) -> Iterator[Callable[[], int]]:
    """Sample the resident memory of this process, its descendants and the processes in ``others`` together, in MiB."""
    peak = 0
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(SAMPLE_SECONDS):
            peak = max(peak, _resident(others()))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield lambda: peak // MEBIBYTE
    finally:
        done.set()
        thread.join()


def _resident(roots: list[int]) -> int:
    """Bytes of private memory (USS), so that pages which processes share are not counted once for each."""
    seen: set[int] = set()
    total = 0
    for root in [psutil.Process().pid, *roots]:
        for process in _family(root):
            if process.pid not in seen:
                seen.add(process.pid)
                total += _private(process)
    return total


def _family(root: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(root)
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def _private(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().uss)
    except psutil.Error:
        return 0
