"""Processes that are killed with -9 at a line of our code that dice chose.

    python -m tests.killing MODULE FUNCTION        one JSON spec a line on stdin, one JSON answer a line on stdout

The helper imports MODULE once and forks for each spec: the child calls ``FUNCTION(spec)`` and, at the line of code
number ``lines`` (counted over m2kt and the programs, in every thread; 0 is never), sends itself SIGKILL. Nothing of
Python runs after that: no ``finally``, no flush, as with any other kill. The answer: ``{"killed", "status", "lines"}``.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
OURS = tuple(str(ROOT / each) + "/" for each in ("m2kt", "teacher_agent", "student_agent"))


class Killer:
    """The helper, as a test sees it."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def run(self, spec: dict[str, Any], lines: int = 0) -> dict[str, Any]:
        """Run the function on ``spec``, and kill it at this line."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({"spec": spec, "lines": lines}) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        assert answer["killed"] or answer["status"] == 0, "the child failed; its traceback is on stderr"
        return answer


@contextmanager
def killer(module: str, function: str) -> Iterator[Killer]:
    """A helper for one function; it ends with the block."""
    command = [sys.executable, "-m", "tests.killing", module, function]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env) as process:
        yield Killer(process)
        assert process.stdin
        process.stdin.close()


def main(module: str, function: str) -> None:
    """The helper's loop."""
    call = getattr(import_module(module), function)
    for line in sys.stdin:
        told = json.loads(line)
        end, write = os.pipe()
        child = os.fork()
        if child == 0:
            _child(call, told["spec"], int(told["lines"]), write)
        os.close(write)
        with os.fdopen(end) as pipe:
            counted = pipe.read()
        status = os.waitpid(child, 0)[1]
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        answer = {"killed": killed, "status": os.waitstatus_to_exitcode(status), "lines": int(counted or 0)}
        print(json.dumps(answer), flush=True)


def _child(call: Any, spec: dict[str, Any], last: int, write: int) -> None:
    seen = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal seen
        if not frame.f_code.co_filename.startswith(OURS):
            return None
        if event == "line":
            seen += 1
            if seen == last:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    status = 1
    try:
        threading.settrace(trace)
        sys.settrace(trace)
        call(spec)
        sys.settrace(None)
        os.write(write, str(seen).encode())
        status = 0
    except BaseException:
        sys.settrace(None)
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    main(*sys.argv[1:])
