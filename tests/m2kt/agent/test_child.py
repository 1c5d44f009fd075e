"""Jobs in real child processes: what arrives, what is said when one dies, and that none outlives its parent."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from m2kt.agent import child
from m2kt.agent.child import Progress, run_child
from m2kt.agent.memory import oom_kills, vram_used_mib
from m2kt.errors import ChildFailed, ExtractionRefused, OutOfMemory, UsageError
from m2kt.lifeline import Lifeline
from m2kt.solitude import SOLITARY

HEAD = """
import json, os, signal, subprocess, sys, time
from pathlib import Path
from m2kt.agent.child import progress, run_child, run_job
from m2kt.errors import ExtractionRefused

def job(spec):
"""
TAIL = """
if __name__ == "__main__":
    sys.exit(run_job(job))
"""

PATIENCE = 30.0
"""Seconds until a test gives up on something that takes milliseconds; no test measures time."""

Run = Callable[..., dict[str, Any]]


def module(directory: Path, body: str, name: str = "a_job") -> dict[str, str]:
    """Write a job module whose ``job(spec)`` has this body; returns the environment that finds it."""
    (directory / f"{name}.py").write_text(HEAD + "\n".join(f"    {line}" for line in body.splitlines()) + TAIL)
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(directory), os.environ.get("PYTHONPATH")]))}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "job.log"


@pytest.fixture
def run(tmp_path: Path, log: Path) -> Run:
    """Run a job with this body on a spec."""

    def call(body: str, spec: Any = None, **options: Any) -> dict[str, Any]:
        return run_child("a_job", "work", spec or {}, log=log, env=module(tmp_path, body), **options)

    return call


def by_hand(directory: Path, text: str, body: str) -> subprocess.CompletedProcess[str]:
    """What ``echo text | python -m a_job`` does."""
    env = {**os.environ, **module(directory, body)}
    command = [sys.executable, "-P", "-m", "a_job"]
    return subprocess.run(command, input=text, env=env, capture_output=True, text=True, timeout=PATIENCE)


def eventually(fact: Callable[[], bool]) -> bool:
    end = time.monotonic() + PATIENCE
    while not fact() and time.monotonic() < end:
        time.sleep(0.02)
    return fact()


def gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody waited for has ended too."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return True


# What arrives


def test_the_result_arrives_and_the_child_has_ended(run: Run) -> None:
    pids: list[int] = []
    found = run("return {'twice': 2 * spec['n'], 'pid': os.getpid()}", {"n": 21}, on_start=pids.append)
    assert found == {"twice": 42, "pid": pids[0]}
    assert gone(pids[0])


def test_a_spec_and_a_result_longer_than_a_pipe_arrive(run: Run) -> None:
    text = "é" * 300_000
    assert run("return {'text': spec['text']}", {"text": text}) == {"text": text}


def test_progress_lines_arrive_in_order(run: Run) -> None:
    seen: list[Progress] = []
    body = "for n in range(3): progress('steps', n + 1, 3)\nreturn {}"
    assert run(body, on_progress=seen.append) == {}
    assert seen == [Progress("steps", n + 1, 3) for n in range(3)]


def test_an_error_of_the_child_arrives_with_class_detail_and_hint(run: Run) -> None:
    with pytest.raises(ExtractionRefused, match=r"^too few chains$") as caught:
        run("raise ExtractionRefused('too few chains', hint='give more')")
    assert caught.value.hint == "give more"


@pytest.mark.parametrize(
    "noise",
    [
        "loading weights",
        "[1, 2]",
        '{"done": 1}',
        '{"event": "progress"}',
        '{"event": "model loaded", "level": "info"}',  # a line of structlog
        '{"event": 7}',
    ],
)
def test_noise_on_stdout_is_ignored(run: Run, noise: str) -> None:
    seen: list[Progress] = []
    body = f"print({noise!r})\nprogress('steps', 1, 1)\nimport atexit; atexit.register(print, {noise!r})\nreturn {{}}"
    assert run(body, on_progress=seen.append) == {}
    assert seen == [Progress("steps", 1, 1)]


def test_bytes_that_are_no_text_are_ignored(run: Run) -> None:
    body = "sys.stdout.buffer.write(bytes([255, 254, 10])); sys.stdout.flush()\nreturn {'ok': 1}"
    assert run(body) == {"ok": 1}


# How one dies


def test_a_killed_child_is_named_with_its_signal_and_the_tail_of_its_log(run: Run, log: Path) -> None:
    body = "for n in range(9): print('line', n, file=sys.stderr, flush=True)\nos.kill(os.getpid(), signal.SIGKILL)"
    with pytest.raises(ChildFailed, match=r"a_job work ended with signal SIGKILL") as caught:
        run(body)
    assert str(log) in caught.value.detail
    assert caught.value.detail.splitlines()[1:] == [f"line {n}" for n in range(4, 9)]


def test_a_child_that_dies_without_reading_a_long_spec_is_reported(tmp_path: Path, log: Path) -> None:
    (tmp_path / "a_job.py").write_text("raise SystemExit(9)")
    with pytest.raises(ChildFailed, match="exit status 9"):
        run_child("a_job", "work", {"text": "x" * 300_000}, log=log, env={"PYTHONPATH": str(tmp_path)})


def test_a_defect_of_the_child_leaves_its_traceback_in_the_log(run: Run) -> None:
    with pytest.raises(ChildFailed, match=r"exit status 1[\s\S]*ZeroDivisionError"):
        run("return {'n': 1 // 0}")


def test_a_result_with_nan_is_no_result(run: Run) -> None:
    with pytest.raises(ChildFailed, match="exit status 1"):
        run("return {'n': float('nan')}")


def test_a_child_that_succeeds_without_a_result_has_failed(run: Run) -> None:
    with pytest.raises(ChildFailed, match="exit status 0"):
        run("os._exit(0)")


def test_a_module_that_is_not_there_is_reported_by_the_interpreter(log: Path) -> None:
    with pytest.raises(ChildFailed, match="No module named no_such_job"):
        run_child("no_such_job", "work", {}, log=log)


def test_without_a_log_the_failure_still_says_how_it_ended(tmp_path: Path) -> None:
    with pytest.raises(ChildFailed, match=r"^a_job work ended with exit status 3$"):
        run_child("a_job", "work", {}, env=module(tmp_path, "os._exit(3)"))


def test_a_log_in_a_place_that_cannot_be_written_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot write"):
        run_child("a_job", "work", {}, log=tmp_path / "not" / "there" / "job.log", env=module(tmp_path, "return {}"))


# When one is ended


def test_a_timeout_ends_the_child_and_says_so(run: Run) -> None:
    pids: list[int] = []
    with pytest.raises(ChildFailed, match=r"did not finish within 0\.5 s"):
        run("time.sleep(600)", timeout=0.5, on_start=pids.append)
    assert gone(pids[0])


def test_a_timeout_ends_a_child_that_never_reads_and_heeds_no_signal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "GRACE_SECONDS", 0.1)
    (tmp_path / "a_job.py").write_text("import signal, time\nsignal.signal(15, signal.SIG_IGN)\ntime.sleep(600)")
    for spec in ({}, {"text": "x" * 300_000}):
        with pytest.raises(ChildFailed, match="did not finish within"):
            run_child("a_job", "work", spec, timeout=0.5, env={"PYTHONPATH": str(tmp_path)})


def test_an_exception_of_the_parent_ends_the_child(run: Run) -> None:
    pids: list[int] = []

    def interrupt(_: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run("progress('steps', 1, 2)\ntime.sleep(600)", on_progress=interrupt, on_start=pids.append)
    assert gone(pids[0])


def test_a_grandchild_leaves_when_its_parent_is_killed(tmp_path: Path, run: Run) -> None:
    module(tmp_path, "progress('grandchild', os.getpid(), 1)\ntime.sleep(600)", "grandchild")
    pids: list[int] = []

    def kill_the_parent(line: Progress) -> None:
        pids.append(line.done)
        os.kill(pids[0], signal.SIGKILL)

    relay = "return run_child('grandchild', 'work', {}, on_progress=lambda line: progress('', line.done, 1))"
    with pytest.raises(ChildFailed, match="SIGKILL"):
        run(relay, on_start=pids.append, on_progress=kill_the_parent)
    assert eventually(lambda: gone(pids[1]))


# By hand


def test_a_spec_by_hand_needs_no_lifeline(tmp_path: Path) -> None:
    body = "time.sleep(0.2)\nprogress('steps', 1, 1)\nreturn {'lifeline': os.environ.get('M2KT_LIFELINE'), **spec}"
    done = by_hand(tmp_path, '{\n  "n": 1\n}\n', body)
    assert done.returncode == 0
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"event": "progress", "step": "steps", "done": 1, "total": 1},
        {"event": "result", "lifeline": None, "n": 1},
    ]


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"a": 1} {"b": 2}', "\udcff"])
def test_a_bad_spec_is_a_usage_error_and_exit_2(tmp_path: Path, text: str) -> None:
    env = {**os.environ, **module(tmp_path, "return {}"), "PYTHONIOENCODING": "utf-8:strict"}
    command = [sys.executable, "-P", "-m", "a_job"]
    done = subprocess.run(
        command, input=text.encode(errors="surrogateescape"), env=env, capture_output=True, timeout=PATIENCE
    )
    message = json.loads(done.stdout)
    assert done.returncode == UsageError.exit_code == 2
    assert (message["event"], message["code"]) == ("error", "usage")
    assert b"Traceback" not in done.stderr


def test_an_error_by_hand_is_one_line_and_its_exit_code(tmp_path: Path) -> None:
    done = by_hand(tmp_path, "{}", "raise ExtractionRefused('too few chains')")
    assert done.returncode == ExtractionRefused.exit_code
    assert json.loads(done.stdout) == {
        "event": "error",
        "code": "extraction-refused",
        "detail": "too few chains",
        "hint": ExtractionRefused.default_hint,
    }


def test_a_child_s_spec_that_is_no_object_is_a_usage_error_here(run: Run) -> None:
    with pytest.raises(UsageError, match="must be a JSON object"):
        run("return {}", [1])


# Memory, and a parent that is frozen


@pytest.mark.parametrize(
    "body",
    [
        "raise MemoryError('no more')",
        "class OutOfMemoryError(RuntimeError): pass\nraise OutOfMemoryError('CUDA out of memory')",  # torch's name
    ],
)
def test_a_child_without_memory_says_so(run: Run, body: str) -> None:
    with pytest.raises(OutOfMemory, match=r"no more|CUDA out of memory"):
        run(body)


def test_another_runtime_error_is_a_defect(run: Run) -> None:
    with pytest.raises(ChildFailed, match=r"exit status 1[\s\S]*RuntimeError") as caught:
        run("raise RuntimeError('shape')")
    assert not isinstance(caught.value, OutOfMemory)


def test_a_child_that_the_kernel_killed_for_memory_is_told_apart(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = iter([3, 4])
    monkeypatch.setattr(child, "oom_kills", lambda: next(counts))
    with pytest.raises(OutOfMemory, match="SIGKILL"):
        run("os.kill(os.getpid(), signal.SIGKILL)")


def test_kills_for_memory_are_read_from_the_control_group(tmp_path: Path) -> None:
    assert oom_kills(tmp_path) == 0
    (tmp_path / "memory.events").write_text("low 0\noom 2\noom_kill 7\n")
    assert oom_kills(tmp_path) == 7


def test_without_a_gpu_there_is_no_figure_for_it() -> None:
    assert vram_used_mib("cpu") is None
    assert vram_used_mib(None) is None


def test_a_child_leaves_when_its_parent_falls_silent(run: Run) -> None:
    with pytest.raises(ChildFailed, match="exit status 143"):
        run("time.sleep(600)", lifeline=Lifeline(0.3))


def test_a_child_works_on_as_long_as_its_parent_beats(run: Run) -> None:
    lifeline, done = Lifeline(2.0), threading.Event()

    def beat() -> None:
        while not done.wait(0.1):
            lifeline.beat()

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        assert run("time.sleep(3)\nreturn {'ok': 1}", lifeline=lifeline) == {"ok": 1}
    finally:
        done.set()
        thread.join()
    lifeline.beat()  # nobody is there: no harm


def test_a_child_that_is_to_be_alone_reaches_nobody(tmp_path: Path) -> None:
    """Somebody listens; only the child of the two that was not cut off gets through."""
    body = """
import socket
try:
    socket.create_connection(("127.0.0.1", spec["port"]), 5)
except OSError:
    return {"reached": False}
return {"reached": True}
"""
    env = module(tmp_path, body.strip())
    with socket.create_server(("127.0.0.1", 0)) as server:
        spec = {"port": server.getsockname()[1]}
        reached = [run_child("a_job", "work", spec, env={**env, **more})["reached"] for more in ({}, {SOLITARY: "1"})]
    assert reached == [True, False]
