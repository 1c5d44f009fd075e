"""`m2kt dev`, in one walk."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from m2kt.cli.dev import app
from m2kt.dev import Runtime
from m2kt.errors import UsageError


def run(*words: str) -> str:
    result = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_up_status_down_reset(runtime: Runtime) -> None:
    root = f"--root={runtime.layout.root}"
    addresses = json.loads(run("up", "--servers-only", "-o", "json", root))
    assert addresses.keys() == {"database_url", "redis_url"}
    assert addresses["database_url"] in run("up", "--servers-only", root)  # whole, in whatever width
    assert [row["state"] for row in json.loads(run("status", "-o", "json", root))] == [
        "running",
        "running",
        "stopped",
        "stopped",
    ]
    run("down", root)
    assert "running" not in run("status", root)
    run("reset", "--yes", root)
    assert not runtime.layout.root.exists()


def test_reset_with_nobody_to_ask_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        CliRunner().invoke(app, ["reset", f"--root={tmp_path}"], catch_exceptions=False)
    assert "--yes" in caught.value.hint
