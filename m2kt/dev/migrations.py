"""The schema's migrations, run as a program: `m2kt` imports nothing of the broker."""

import os
import subprocess
import sys
from pathlib import Path

import m2kt
from m2kt.dev.service import named_failure
from m2kt.errors import ChildFailed, RuntimeFault


def configuration() -> Path:
    """`alembic.ini` of the checkout that we run from, or of the current directory."""
    for folder in (Path(m2kt.__file__).resolve().parents[1], Path.cwd()):
        path = folder / "alembic.ini"
        if path.exists():
            return path
    raise RuntimeFault("alembic.ini was not found", hint="Run this in a checkout of M2KT: it holds the migrations.")


def alembic(database_url: str, *arguments: str) -> str:
    """Run ``alembic`` with ``arguments`` on a database; returns what it printed, raises `ChildFailed`."""
    ini = configuration()
    result = subprocess.run(
        [sys.executable, "-m", "alembic", "-c", str(ini), *arguments],
        cwd=ini.parent,
        env={**os.environ, "M2KT_DATABASE_URL": database_url},
        capture_output=True,
        text=True,
    )
    if result.returncode != 0:
        tail = "\n".join((result.stdout + result.stderr).splitlines()[-12:])
        text = f"alembic {' '.join(arguments)} failed\n{tail}"
        raise named_failure(text) or ChildFailed(text)
    return result.stdout
