"""The rules of a test run (tests/conftest.py): a green run means that everything ran which this machine can run."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).resolve().parents[2] / "conftest.py"
PASSES = "def test_passes(): pass\n"
SKIPPED = "@pytest.mark.skip\ndef test_skipped(): pass\n"
LONG = "@pytest.mark.nightly\ndef test_long(): assert False\n"


def run(folder: Path, code: str, *options: str) -> int:
    shutil.copy(CONFTEST, folder / "conftest.py")
    (folder / "test_it.py").write_text("import pytest\n" + code)
    marks = "-Wignore::pytest.PytestUnknownMarkWarning"
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", marks, "-p", "no:cacheprovider", *options], cwd=folder
    ).returncode


@pytest.mark.parametrize(
    ("code", "options", "status"),
    [
        (PASSES, (), 0),
        (PASSES + SKIPPED, (), 1),
        (PASSES + SKIPPED, ("-n1",), 1),
        (PASSES + "@pytest.mark.gpu\n" + SKIPPED, (), 0),
        (PASSES + "@pytest.mark.xfail\ndef test_known(): assert False\n", (), 0),
        (f"pytest.skip('no', allow_module_level=True)\n{PASSES}", (), 5),
        (PASSES + LONG, (), 0),
        (PASSES + LONG, ("--nightly",), 1),
    ],
    ids=["green", "skip", "skip-xdist", "marked", "xfail", "module", "nightly-left", "nightly-run"],
)
def test_exit_status(tmp_path: Path, code: str, options: tuple[str, ...], status: int) -> None:
    assert run(tmp_path, code, *options) == status
