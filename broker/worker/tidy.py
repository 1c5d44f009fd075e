"""Files of jobs that the ledger has forgotten, on this worker's disk."""

import shutil
import time
import uuid
from pathlib import Path

from broker.db import transaction
from broker.services import retention
from broker.worker.bench import Bench

BITE = 200
DAY = 86400.0


def tidy(bench: Bench) -> bool:
    """Remove what is older than jobs are kept and belongs to none any more."""
    folder = bench.settings.work_dir / "jobs"
    oldest = time.time() - bench.settings.keep_days * DAY
    old = [(path, owner) for path in folder.glob("*-*") if (owner := _owner(path)) and path.stat().st_mtime < oldest]
    with transaction(bench.sessions) as session:
        kept = retention.known(session, {owner for _, owner in old[:BITE]})
    for path, owner in old[:BITE]:
        if owner not in kept:
            remove(path)
    return True


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _owner(path: Path) -> uuid.UUID | None:
    """The job that a file is named for; None for what is not ours."""
    try:
        return uuid.UUID(path.name[:36])
    except ValueError:
        return None
