"""`make experiments`: rows from runs into docs/results.json, and from that file docs/results.md. Nothing by hand.

    python -m bench.te.experiments [--quick] [--only rules] [--out docs]

A row of the same domain, seed and size replaces the one that is there; rows of other domains stay, so that a long
experiment can be made in parts.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from bench.te.measuring import SEEDS, Row, measure_one
from bench.te.report import page
from bench.te.settings import DOMAINS, KEPT_SEED
from m2kt.files import write_atomically

ROOT = Path(__file__).parents[2]
MADE = ROOT / "var" / "experiments" / "models"


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m bench.te.experiments", description=__doc__.splitlines()[0])
    arguments.add_argument("--quick", action="store_true", help="one seed, the kept models")
    arguments.add_argument("--only", nargs="+", choices=DOMAINS, default=list(DOMAINS))
    arguments.add_argument("--out", type=Path, default=ROOT / "docs")
    arguments.add_argument("--models", type=Path, default=MADE, help="where pairs are made that are not kept")
    wanted = arguments.parse_args()
    for seed in (KEPT_SEED,) if wanted.quick else SEEDS:
        for domain in wanted.only:
            with tempfile.TemporaryDirectory() as root:
                row = measure_one(domain, seed, wanted.quick, Path(root), wanted.models)
            keep({**row, **conditions(wanted.quick)}, wanted.out)
    return 0


def conditions(quick: bool) -> Row:
    """What a reader must know to judge a row's times."""
    return {
        "size": "quick" if quick else "full",
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
    }


def keep(row: Row, out: Path) -> None:
    """Put the row into the file and write the page anew."""
    path = out / "results.json"
    rows: list[Row] = json.loads(path.read_text()) if path.exists() else []
    rows = [each for each in rows if _name(each) != _name(row)] + [row]
    rows.sort(key=lambda each: (each["size"], DOMAINS.index(each["domain"]), each["seed"]))
    write_atomically(path, (json.dumps(rows, indent=1) + "\n").encode())
    plots, text = page(rows)
    for name, svg in plots.items():
        write_atomically(out / "results" / name, svg.encode())
    write_atomically(out / "results.md", text.encode())


def _name(row: Row) -> tuple[str, int, str]:
    return row["domain"], row["seed"], row["size"]


if __name__ == "__main__":
    sys.exit(main())
