"""A scan reads hostile bytes: it outlives no worker, and takes no more memory or time than it was given."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SLOW = """
import sys, time
import m2kt.scan.__main__ as program
import m2kt.scan.report as told
told.scan = lambda *_: {body}
sys.exit(program.main([sys.argv[1]]))
"""


def start(packet: Path, body: str, **told: str) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-c", SLOW.format(body=body), str(packet)]
    env = {**os.environ, "OPENBLAS_NUM_THREADS": "1", **told}
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)


@pytest.fixture
def packet(tmp_path: Path) -> Path:
    (tmp_path / "p.m2kt").write_bytes(b"x")
    return tmp_path / "p.m2kt"


def test_a_scan_ends_with_its_worker(packet: Path) -> None:
    with start(packet, "time.sleep(600)", M2KT_LIFELINE="0") as scan:
        time.sleep(1)
        assert scan.poll() is None
        assert scan.stdin
        scan.stdin.close()
        assert scan.wait(60) == 128 + signal.SIGTERM


def test_a_scan_gets_no_more_memory_than_it_was_given(packet: Path) -> None:
    with start(packet, "bytearray(2 << 30)", M2KT_SCAN_MEMORY_MIB="1024") as scan:
        _, said = scan.communicate(timeout=60)
    assert scan.returncode == 1
    assert b"MemoryError" in said


def test_the_kernel_ends_a_scan_that_burns_time(packet: Path) -> None:
    with start(packet, "[None for _ in iter(int, 1)]", M2KT_SCAN_SECONDS="1") as scan:
        assert scan.wait(60) in (-signal.SIGKILL, -signal.SIGXCPU)


def test_a_scan_opens_no_more_files_than_it_was_given(packet: Path) -> None:
    with start(packet, "[open('/dev/null') for _ in range(100)]", M2KT_SCAN_FILES="64") as scan:
        _, said = scan.communicate(timeout=60)
    assert scan.returncode == 2, "no verdict, so nothing is cleared"
    assert b"Too many open files" in said
