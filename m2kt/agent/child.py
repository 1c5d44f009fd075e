"""A job in a child process: spec as JSON on stdin, JSON lines on stdout.

The parent never imports torch; the child may die (out of memory, killed, cancelled) without taking anything along.
Lines on stdout: ``{"event": "progress", "step": str, "done": int, "total": int}``, then exactly one of
``{"event": "result", ...}`` or ``{"event": "error", "code": str, "detail": str, "hint": str}``. Logs go to stderr.

The child's stdin stays open as a lifeline (`m2kt.lifeline`): when its parent is gone or frozen, however that came
about, the child leaves too, so no orphan keeps a GPU.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from m2kt.agent.memory import oom_kills
from m2kt.errors import ChildFailed, M2KTError, OutOfMemory, ProgramMissing, TimeLimit, UsageError, by_code
from m2kt.files import disk_errors
from m2kt.lifeline import LIFELINE, Lifeline, watch
from m2kt.memory import ran_out
from m2kt.solitude import SOLITARY, cut_off

GRACE_SECONDS = 5.0
"""Between TERM and KILL when a child is stopped."""

FIELDS: Mapping[str, Mapping[str, type]] = {
    "progress": {"step": str, "done": int, "total": int},
    "result": {},
    "error": {"code": str, "detail": str, "hint": str},
}
"""Events of the protocol and the fields that each must have."""


@dataclass(frozen=True)
class Progress:
    """One progress line of a child: ``done`` of ``total`` units of ``step``."""

    step: str
    done: int
    total: int


OnProgress = Callable[[Progress], None]


def run_child(
    module: str,
    job: str,
    spec: Mapping[str, Any],
    *,
    on_progress: OnProgress = lambda _: None,
    log: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
    on_start: Callable[[int], None] = lambda _: None,
    lifeline: Lifeline | None = None,
) -> dict[str, Any]:
    """Run ``python -m module job`` on ``spec`` and return its result.

    ``timeout`` is in seconds. ``on_start`` gets the child's process id, which leads its own process group.
    ``lifeline`` is for callers that beat it; without one the child lives as long as we do.
    Raises the error that the child named; `OutOfMemory`, `TimeLimit`, or `ChildFailed` when it died otherwise.
    """
    lifeline = lifeline or Lifeline()
    killed_before = oom_kills()
    child = _start(module, job, log, {**(env or {}), LIFELINE: f"{lifeline.patience:g}"})
    name = f"{module} {job}"
    try:
        on_start(child.pid)
        with _deadline(child, timeout, name):
            last = _converse(child, spec, on_progress, lifeline)
            return _finish(last, child.wait(), name, log, starved=oom_kills() > killed_before)
    finally:
        lifeline.let_go()
        stop(child)


@contextmanager
def _deadline(child: subprocess.Popen[bytes], seconds: float | None, name: str) -> Iterator[None]:
    """End the child after ``seconds``; whatever it said, it is then `TimeLimit`."""
    late = threading.Event()

    def end() -> None:
        late.set()
        _end(child)

    timer = threading.Timer(seconds or 0, end)
    if seconds:
        timer.start()
    try:
        yield
    except M2KTError as error:
        if late.is_set():
            raise TimeLimit(f"{name} did not finish within {seconds:g} s and was ended") from error
        raise
    finally:
        timer.cancel()


def _start(module: str, job: str, log: Path | None, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    target = log or Path(os.devnull)
    with disk_errors(target):
        stderr = target.open("ab")
    with stderr:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", module, job],  # -P: nothing is imported from where we happen to stand
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={**os.environ, **env},
            start_new_session=True,
        )


def _converse(
    child: subprocess.Popen[bytes], spec: Mapping[str, Any], on_progress: OnProgress, lifeline: Lifeline
) -> dict[str, Any]:
    """Tell the child its spec, hear it out, and return its last words."""
    assert child.stdin
    assert child.stdout
    with suppress(BrokenPipeError):  # It died before reading; the lines below or its exit status say why.
        child.stdin.write(json.dumps(spec).encode() + b"\n")
        child.stdin.flush()
        lifeline.hold(child.stdin)
    last: dict[str, Any] = {}
    for line in child.stdout:
        message = _parse(line)
        if message.get("event") == "progress":
            on_progress(Progress(message["step"], message["done"], message["total"]))
        elif message:
            last = message
    return last


def _parse(line: bytes) -> dict[str, Any]:
    """A protocol line, or nothing: libraries sometimes print to stdout, even JSON with an ``event``."""
    try:
        message = json.loads(line)
        fields = FIELDS[message["event"]]
    except (ValueError, KeyError, TypeError):
        return {}
    return message if all(isinstance(message.get(name), kind) for name, kind in fields.items()) else {}


def _finish(last: dict[str, Any], status: int, name: str, log: Path | None, *, starved: bool) -> dict[str, Any]:
    """``starved``: the kernel killed somebody of our control group for memory meanwhile."""
    if last.get("event") == "result" and status == 0:
        return {key: value for key, value in last.items() if key != "event"}
    if last.get("event") == "error":
        raise by_code(last["code"])(last["detail"], hint=last["hint"])
    where = f"; its log is {log}" if log else ""
    cause = f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
    told = _tail(log)
    kind = OutOfMemory if starved and status == -signal.SIGKILL else ChildFailed
    if status == 1 and told.endswith(f"No module named {name.split()[0]}"):
        kind = ProgramMissing
    raise kind(f"{name} ended with {cause}{where}\n{told}".rstrip())


def _tail(log: Path | None, lines: int = 5) -> str:
    if log is None or not log.exists():
        return ""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def stop(child: subprocess.Popen[bytes]) -> None:
    """End the child's whole process group, and close our ends of its pipes."""
    _end(child)
    for pipe in (child.stdin, child.stdout):
        with suppress(BrokenPipeError):  # what it did not read
            if pipe:
                pipe.close()


def _end(child: subprocess.Popen[bytes]) -> None:
    """TERM to the process group, a grace period, then KILL.

    Closes no pipe: another thread may be reading from it, and closing would wait for that thread.
    """
    for how, patience in ((signal.SIGTERM, GRACE_SECONDS), (signal.SIGKILL, None)):
        if child.returncode is not None:  # its number may be somebody else's by now
            return
        with suppress(ProcessLookupError):
            os.killpg(child.pid, how)
        with suppress(subprocess.TimeoutExpired):
            child.wait(patience)


# The child's side


def read_spec() -> dict[str, Any]:
    """The job's specification, from stdin; from then on stdin is the lifeline, if a parent holds it."""
    held = os.environ.pop(LIFELINE, None)
    try:
        spec = json.loads(sys.stdin.readline() if held else sys.stdin.read())
    except ValueError as error:
        raise UsageError(f"the job's specification on stdin is not JSON: {error}") from error
    if not isinstance(spec, dict):
        raise UsageError("the job's specification must be a JSON object")
    if held:
        watch(held)
    return spec


def emit(event: str, **fields: Any) -> None:
    """Write one protocol line and flush it."""
    sys.stdout.write(json.dumps({"event": event, **fields}, allow_nan=False) + "\n")
    sys.stdout.flush()


def progress(step: str, done: int, total: int) -> None:
    """Report ``done`` of ``total`` units of ``step``."""
    emit("progress", step=step, done=done, total=total)


def run_job(job: Callable[[dict[str, Any]], dict[str, Any]]) -> int:
    """Run ``job`` on the spec from stdin as the child's main, without a network where ``SOLITARY`` asks for that;
    returns the exit status."""
    if os.environ.get(SOLITARY) == "1":
        cut_off()  # first: the lifeline, which comes with the spec, is a thread
    try:
        emit("result", **job(read_spec()))
    except M2KTError as error:
        return _say(error)
    except (MemoryError, RuntimeError) as error:
        if not ran_out(error):
            raise
        return _say(OutOfMemory(f"{type(error).__name__}: {' '.join(str(error).split())[:400]}"))
    return 0


def supervised() -> bool:
    """Whether a supervisor started this process for a job, and no person at a shell."""
    return LIFELINE in os.environ


def no_such_job(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """What a program does with a job that only another version of it knows."""

    def refuse(_: dict[str, Any]) -> dict[str, Any]:
        raise ProgramMissing(f"the program that is installed here knows no job {name}")

    return refuse


def _say(error: M2KTError) -> int:
    emit("error", code=error.code, detail=error.detail, hint=error.hint)
    return error.exit_code
