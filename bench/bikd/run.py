"""Run the experiments and keep every seed's figures; what is there already is not run again.

    python -m bench.bikd.run docs/exchange-results.jsonl [--only main dense] [--seeds 4] [--part 0 2] [--tune]

Each line of the file is one seed of one experiment. ``--tune`` measures on validation images with seeds from 100 on,
and prints instead of keeping.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import torch

from bench.bikd.experiments import Row, run_seed
from bench.bikd.settings import EXPERIMENTS


def main() -> int:
    torch.set_num_threads(1)
    arguments = argparse.ArgumentParser(prog="python -m bench.bikd.run", description=__doc__)
    arguments.add_argument("out", type=Path)
    arguments.add_argument("--only", nargs="+", choices=EXPERIMENTS, default=list(EXPERIMENTS))
    arguments.add_argument("--seeds", type=int, help="at most so many of each experiment")
    arguments.add_argument("--tune", action="store_true")
    arguments.add_argument("--part", type=int, nargs=2, default=(0, 1), metavar=("I", "N"), help="each N-th seed")
    wanted = arguments.parse_args()
    there = set() if wanted.tune else {(row["experiment"], row["seed"]) for row in read(wanted.out)}
    for name in wanted.only:
        count = min(EXPERIMENTS[name].seeds, wanted.seeds or EXPERIMENTS[name].seeds)
        for seed in range(100, 100 + count) if wanted.tune else range(count):
            if (name, seed) not in there and seed % wanted.part[1] == wanted.part[0]:
                _keep(_row(name, seed, "val" if wanted.tune else "test"), None if wanted.tune else wanted.out)
    return 0


def read(path: Path) -> list[Row]:
    """The rows of a results file; none if there is no file yet."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _row(name: str, seed: int, held_out: str) -> Row:
    began = time.process_time()
    figures = run_seed(EXPERIMENTS[name].setting, seed, EXPERIMENTS[name].arms, held_out)
    return {"experiment": name, **figures, "cpu_s": round(time.process_time() - began, 1)}


def _keep(row: Row, out: Path | None) -> None:
    line = json.dumps(row) + "\n"
    if out is None:
        sys.stdout.write(line)
        sys.stdout.flush()
    else:
        with out.open("a") as stream:
            stream.write(line)


if __name__ == "__main__":
    sys.exit(main())
