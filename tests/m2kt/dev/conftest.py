"""Runtimes of a test's own. The database is initialised once and copied: initdb is the slow part."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from m2kt.dev import Runtime, postgres
from m2kt.dev.layout import Layout


@pytest.fixture(scope="session")
def initialised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A runtime's directory with a fresh database in it, never started."""
    layout = Layout(tmp_path_factory.mktemp("dev") / "initialised")
    layout.claim()
    layout.prepare()
    postgres.initialise(layout)
    with (layout.postgres / "postgresql.conf").open("a") as settings:
        settings.write("fsync = off\n")  # we kill processes, not the machine; recovery syncs a thousand files
    return layout.root


@pytest.fixture
def runtime(initialised: Path, tmp_path: Path) -> Iterator[Runtime]:
    """A runtime that is down, and is reset at the end."""
    shutil.copytree(initialised, tmp_path / "var")
    runtime = Runtime(tmp_path / "var")
    yield runtime
    runtime.reset()
