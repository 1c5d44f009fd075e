"""Bidirectional exchange against each peer's own continued training with the same steps (arXiv 2510.22208).

    python -m bench.exchange --quick --json

Peers of different designs, pretrained apart and differently on scikit-learn's digits, exchange over a shared set. A
seed draws everything anew but the test images. Accuracies are those on held-out images in views like training's;
intervals are Student's, two-sided 95 %, over seeds.

- ``weak_gain_*``, ``strong_gain_*``: exchange minus continued training, of the peer that was worse, better before.
- ``no_task_loss_gain``: the same without the task loss, the better of the two: below 0 means that both lost.
- ``mask_share_min``: the least share of samples that a peer taught, over peers and seeds.
- ``network_equals_local``: masks equal and losses within 1e-5 through a real broker (`bench.exchange_network`).

``--quick`` is 12 seeds, else 24. docs/exchange.md has all other experiments, run by ``python -m bench.bikd.run``.
"""

import argparse
import json
import sys

import torch

from bench.bikd.experiments import Row, run_seed
from bench.bikd.network import network_equals_local
from bench.bikd.settings import MAIN
from bench.bikd.table import order, paired

SEEDS = 24
QUICK_SEEDS = 12
ARMS = ("alone", "exchange", "no_task")


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m bench.exchange", description=__doc__.splitlines()[0])
    arguments.add_argument("--json", action="store_true", help="one line of JSON")
    arguments.add_argument("--quick", action="store_true", help=f"{QUICK_SEEDS} seeds instead of {SEEDS}")
    wanted = arguments.parse_args()
    torch.set_num_threads(1)
    rows = [run_seed(MAIN, seed, ARMS) for seed in range(QUICK_SEEDS if wanted.quick else SEEDS)]
    found = figures(rows) | {"network_equals_local": network_equals_local()}
    print(json.dumps(found) if wanted.json else "\n".join(f"{name:20} {value}" for name, value in found.items()))
    return 0


def figures(rows: list[Row]) -> dict[str, float | int | bool | None]:
    """What the rows of one setting say."""
    weak, strong = order(rows)
    weaker, stronger = paired(rows, "exchange", weak), paired(rows, "exchange", strong)
    return {
        "seeds": len(rows),
        "weak_gain_mean": round(weaker.mean, 5),
        "weak_gain_low95": round(weaker.low, 5),
        "strong_gain_mean": round(stronger.mean, 5),
        "strong_gain_low95": round(stronger.low, 5),
        "no_task_loss_gain": round(max(paired(rows, "no_task", peer).mean for peer in (weak, strong)), 5),
        "mask_share_min": min(min(row["exchange"]["shares"]) for row in rows),
    }


if __name__ == "__main__":
    sys.exit(main())
