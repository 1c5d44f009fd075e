"""A child under a guard: it ends when its job is lost, and when the time to leave is over."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from m2kt.agent.child import OnProgress, run_child
from m2kt.agent.drain import Drain
from m2kt.agent.guard import End, Guard
from m2kt.errors import M2KTError

LOOK_SECONDS = 0.2

Mind = Callable[[], None]
"""What is to be done now and then beside the child, such as telling it that its lease lives."""


class Interrupted(Exception):
    """The child was ended before it was done: not for what it did, but because its job must stop."""

    def __init__(self, end: End) -> None:
        super().__init__(end)
        self.end = end


def supervised(
    module: str,
    job: str,
    spec: Mapping[str, Any],
    *,
    guard: Guard,
    drain: Drain,
    mind: Mind = lambda: None,
    on_progress: OnProgress = lambda _: None,
    log: Path | None = None,
    timeout: float | None = None,
) -> dict[str, Any]:
    """`run_child`, until ``guard`` or ``drain`` ends it: then `Interrupted`, whatever the child still said."""
    try:
        with minded(guard, drain, mind):
            found = run_child(
                module,
                job,
                spec,
                on_progress=on_progress,
                log=log,
                timeout=timeout,
                on_start=guard.watch,
                lifeline=guard.lifeline,
            )
    except M2KTError as error:
        if guard.end is not None:
            raise Interrupted(guard.end) from error
        raise
    finally:
        guard.release()
    if guard.end is not None:
        raise Interrupted(guard.end)
    return found


@contextmanager
def minded(guard: Guard, drain: Drain, mind: Mind) -> Iterator[None]:
    """Stop what ``guard`` watches once ``drain`` has no more time for it; ``mind`` goes on beside it."""
    done = threading.Event()

    def look() -> None:
        while not done.wait(LOOK_SECONDS):
            mind()
            if drain.over:
                return guard.stop(End.LEAVING)

    thread = threading.Thread(target=look, name="minder", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
