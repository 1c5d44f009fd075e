"""`make experiments`: rows from runs into docs/results.json, and from that file docs/results.md. Nothing by hand.

    python -m bench.te.experiments [--quick] [--only rules] [--ablations [PART ...] | --planted] [--out docs]

A row of the same domain, seed and size replaces the one that is there; rows of other domains stay, so that a long
experiment can be made in parts. With --ablations the rows of `bench.te.ablations` are made instead, all groups of them
or those of some parts, into docs/ablations.json; they stand on the same page. With --planted a planted error is made
for rows that are there.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import UTC, datetime
from pathlib import Path

from bench.te.measuring import SEEDS, Row, ablate, measure_one, plant
from bench.te.report import page
from bench.te.settings import DOMAINS, KEPT_SEED, PARTS
from m2kt.files import write_atomically

ROOT = Path(__file__).parents[2]
LONGEST_FIRST = ("columns", "chains", "listops", "brackets", "rules")
"""So that two workers end at about the same time."""
MADE = ROOT / "var" / "experiments" / "models"


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m bench.te.experiments", description=__doc__.splitlines()[0])
    arguments.add_argument("--quick", action="store_true", help="one seed, the kept models")
    arguments.add_argument("--only", nargs="+", choices=DOMAINS, default=list(DOMAINS))
    arguments.add_argument(
        "--ablations", nargs="*", choices=PARTS, metavar="PART", help=f"instead: {', '.join(PARTS)}, or all of these"
    )
    arguments.add_argument(
        "--planted", action="store_true", help="instead: a teacher that errs, into rows that are there"
    )
    arguments.add_argument("--out", type=Path, default=ROOT / "docs")
    arguments.add_argument("--models", type=Path, default=MADE, help="where pairs are made that are not kept")
    arguments.add_argument("--workers", type=int, default=2, help="runs side by side, one thread each")
    wanted = arguments.parse_args()
    seeds = (KEPT_SEED,) if wanted.quick else SEEDS
    runs = [(domain, seed) for seed in seeds for domain in LONGEST_FIRST if domain in wanted.only]
    with ThreadPoolExecutor(wanted.workers) as pool:
        for made in as_completed([pool.submit(_made, wanted, *run) for run in runs]):
            keep(wanted.out, **made.result())
    return 0


def _made(wanted: argparse.Namespace, domain: str, seed: int) -> dict[str, list[Row]]:
    """Rows of one domain and seed, by what they are to `keep`."""
    told = conditions(wanted.quick)
    with tempfile.TemporaryDirectory() as root:
        given = domain, seed, wanted.quick, Path(root), wanted.models
        if wanted.ablations is not None:
            return {"ablations": [{**row, **told} for row in ablate(*given, wanted.ablations)]}
        if wanted.planted:
            return {"rows": [{**_row_of(wanted, domain, seed), "planted": {**plant(*given), "date": told["date"]}}]}
        return {"rows": [{**measure_one(*given), **told}]}


PASSING = ("memory", "map")
"""Of an alignment's report: a directory that is gone, and where every concept came to lie."""


def lasting(row: Row) -> Row:
    """What of a row is kept."""
    reports = row.get("alignment", {})
    kept = {name: {key: each[key] for key in each if key not in PASSING} for name, each in reports.items()}
    return {**row, "alignment": kept} if reports else row


def _row_of(wanted: argparse.Namespace, domain: str, seed: int) -> Row:
    """The row that is there; `KeyError` where there is none."""
    rows: list[Row] = json.loads((wanted.out / "results.json").read_text())
    found = {_name(row): row for row in rows}
    return found[domain, seed, "quick" if wanted.quick else "full", None]


def conditions(quick: bool) -> Row:
    """What a reader must know to judge a row's times."""
    return {
        "size": "quick" if quick else "full",
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
    }


def keep(out: Path, rows: Sequence[Row] = (), ablations: Sequence[Row] = ()) -> None:
    """Put the rows into their files and write the page anew."""
    kept = _merged(out / "results.json", rows), _merged(out / "ablations.json", ablations)
    plots, text = page(*kept)
    for name, svg in plots.items():
        write_atomically(out / "results" / name, svg.encode())
    write_atomically(out / "results.md", text.encode())


def _merged(path: Path, new: Sequence[Row]) -> list[Row]:
    """The rows of a file, those of the same runs replaced by the new ones."""
    old: list[Row] = json.loads(path.read_text()) if path.exists() else []
    made = {_name(each) for each in new}
    rows = [lasting(each) for each in [*(each for each in old if _name(each) not in made), *new]]
    rows.sort(key=lambda each: (each["size"], DOMAINS.index(each["domain"]), each["seed"]))
    if new:
        write_atomically(path, (json.dumps(rows, indent=1) + "\n").encode())
    return rows


def _name(row: Row) -> tuple[str, int, str, str | None]:
    """What a row is of; rows of ablations are replaced group by group."""
    return row["domain"], row["seed"], row["size"], row.get("group")


if __name__ == "__main__":
    sys.exit(main())
