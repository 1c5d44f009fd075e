"""The two models of a domain and seed: kept ones, or made now."""

import subprocess
import sys
from pathlib import Path

from bench.te.settings import KEPT_SEED, MODELS


def pair_of(domain: str, seed: int, cache: Path) -> tuple[Path, Path]:
    """Directories of teacher and student; another seed than the kept one trains them first (minutes)."""
    home = MODELS if domain == "chains" else MODELS / domain
    if seed != KEPT_SEED or not (home / "student" / "config.json").is_file():
        home = cache / f"{domain}-{seed}"
        if not (home / "student" / "config.json").is_file():
            _make(domain, seed, home)
    return home / "teacher", home / "student"


def _make(domain: str, seed: int, home: Path) -> None:
    command = ["-m", "examples.models.make", "--domain", domain, "--seed", str(seed), "--out", str(home)]
    subprocess.run([sys.executable, *command], check=True, stdout=sys.stderr)
