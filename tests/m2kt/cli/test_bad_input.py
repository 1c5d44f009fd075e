"""What a user can get wrong about models and domains, through the programs that users start.

The rest of the list is tested where it belongs: packets in test_packet.py, the broker's limits and database under
tests/broker, ports under tests/m2kt/dev, a full disk in tests/m2kt/test_files.py.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from m2kt.errors import DomainError, KeyFileError, ModelError, UsageError
from tests.m2kt.cli.conftest import Ended
from tests.m2kt.cli.test_edge import refused

TEACHER = str(Path(__file__).resolve().parents[3] / "examples" / "models" / "teacher")


def program(module: str, *words: str) -> Ended:
    done = subprocess.run([sys.executable, "-m", module, *words], capture_output=True, text=True)
    return Ended(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize(
    ("changes", "error", "wrong"),
    [
        ({"model": "/no/such/model"}, ModelError, "there is no directory /no/such/model"),
        ({"domain": "nobody"}, DomainError, "no domain named 'nobody' is registered (registered: "),
        ({"key": "/no/such/key"}, KeyFileError, "cannot read /no/such/key"),
        ({"log": "/no/such/place/log"}, UsageError, "cannot write /no/such/place/log"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_teacher_is_told_and_nothing_is_written(
    tmp_path: Path, key_file: Path, changes: dict[str, str], error: type[ModelError], wrong: str
) -> None:
    given = {"model": TEACHER, "domain": "chains", "name": "acme/chains", "version": "1.0.0", "key": str(key_file)}
    given |= {"out": str(tmp_path / "out.m2kt"), "log": str(tmp_path / "log")} | changes
    before = sorted(os.listdir(tmp_path))
    ended = program("teacher_agent", "publish", *(f"--{name}={value}" for name, value in given.items()))
    assert wrong in refused(ended, error.exit_code)
    assert sorted({*os.listdir(tmp_path)} - {"log"}) == before


def test_a_student_is_told_that_its_model_is_not_there() -> None:
    ended = program("student_agent", "generate", "hello", "--model", "/no/such/model")
    assert "there is no directory /no/such/model" in refused(ended, ModelError.exit_code)
