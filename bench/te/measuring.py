"""Rows from processes of their own."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench.te.settings import KEPT_SEED

Row = dict[str, Any]
SEEDS = (7, 8, 9)


def measure(domains: Sequence[str], quick: bool, workers: int) -> list[Row]:
    """One row for every domain and seed, each from a process of its own."""
    jobs = [(domain, seed) for seed in ((KEPT_SEED,) if quick else SEEDS) for domain in domains]
    with tempfile.TemporaryDirectory() as root, ThreadPoolExecutor(workers) as pool:
        return list(pool.map(lambda job: measure_one(job[0], job[1], quick, Path(root), Path(root) / "models"), jobs))


def measure_one(domain: str, seed: int, quick: bool, root: Path, models: Path) -> Row:
    """One domain and seed in a process of its own; pairs that are not kept are made in ``models``."""
    row: Row = _told("bench.te.domain", domain, seed, quick, root, models)
    return row


def ablate(domain: str, seed: int, quick: bool, root: Path, models: Path, parts: Sequence[str] = ()) -> list[Row]:
    """The ablations of one domain and seed, likewise; all of them or some ``parts``."""
    rows: list[Row] = _told("bench.te.ablations", domain, seed, quick, root, models, parts=list(parts))
    return rows


def plant(domain: str, seed: int, quick: bool, root: Path, models: Path) -> Row:
    """The planted error of one domain and seed, likewise."""
    found: Row = _told("bench.te.planting", domain, seed, quick, root, models)
    return found


def _told(module: str, domain: str, seed: int, quick: bool, root: Path, models: Path, **more: Any) -> Any:
    """What a process says on the last line."""
    spec = {"domain": domain, "seed": seed, "quick": quick, "root": str(root), "models": str(models), **more}
    command = [sys.executable, "-m", module]
    done = subprocess.run(command, input=json.dumps(spec), text=True, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout.splitlines()[-1])
