"""Knowledge packets against fair distillation on five sequential domains, every control in the same run.

    python -m bench.transfer --quick --json

Quick is one seed with the kept models; otherwise models of three seeds are trained first (hours). Means are over
domains. docs/transfer.md says how each figure is measured, docs/results.md holds the tables (`make experiments`).

- ``te_mean``, ``te_min``: student's accuracy over teacher's on held-out checks kept for the report.
- ``te_corrected_min``: the same after subtracting what the untaught student gets anyway.
- ``far_min``: student's over teacher's accuracy on chains two steps longer than any probe.
- ``kd_te_150k``, ``kd_plateau_te``: the same student, all of it trained on 150,000 outputs; continued on fresh ones.
- ``answers_only_te``, ``recoverable_te``: packets of decoded answers; of mean logits, without the teacher's space.
- ``control_excess_max``: the best control minus the larger of chance (right form, facts drawn evenly) and untaught.
- ``bytes_ratio``: the packet's tensors over 150,000 outputs as fp16 logits of the symbols decided; the largest.
- ``flops_ratio``: training FLOPs, the teacher's included, over the baseline's to the same accuracy; the mean.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean
from typing import Any

from bench.te.settings import CONTROLS, DOMAINS, KEPT_SEED, OUTPUTS

Row = dict[str, Any]
SEEDS = (7, 8, 9)


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m bench.transfer", description=__doc__.splitlines()[0])
    arguments.add_argument("--json", action="store_true", help="one line of JSON")
    arguments.add_argument("--quick", action="store_true", help="one seed, the kept models")
    arguments.add_argument("--only", nargs="+", choices=DOMAINS, default=list(DOMAINS))
    arguments.add_argument("--workers", type=int, default=2, help="domains side by side, one thread each")
    wanted = arguments.parse_args()
    found = figures(measure(wanted.only, wanted.quick, wanted.workers))
    print(json.dumps(found) if wanted.json else "\n".join(f"{name:20} {value}" for name, value in found.items()))
    return 0


def measure(domains: Sequence[str], quick: bool, workers: int) -> list[Row]:
    """One row for every domain and seed, each from a process of its own."""
    jobs = [(domain, seed) for seed in ((KEPT_SEED,) if quick else SEEDS) for domain in domains]
    with tempfile.TemporaryDirectory() as root, ThreadPoolExecutor(workers) as pool:
        return list(pool.map(lambda job: measure_one(job[0], job[1], quick, Path(root), Path(root) / "models"), jobs))


def measure_one(domain: str, seed: int, quick: bool, root: Path, models: Path) -> Row:
    """One domain and seed in a process of its own; pairs that are not kept are made in ``models``."""
    spec = {"domain": domain, "seed": seed, "quick": quick, "root": str(root), "models": str(models)}
    command = [sys.executable, "-m", "bench.te.domain"]
    done = subprocess.run(command, input=json.dumps(spec), text=True, stdout=subprocess.PIPE, check=True)
    row: Row = json.loads(done.stdout.splitlines()[-1])
    return row


def figures(rows: Sequence[Row]) -> Row:
    """What the issue's numbers ask for."""
    te = [efficiency(row) for row in rows]
    return {
        "domains": len({row["domain"] for row in rows}),
        "seeds": len({row["seed"] for row in rows}),
        "te_mean": _rounded(mean(te)),
        "te_min": _rounded(min(te)),
        "te_corrected_min": _rounded(min(corrected(row) for row in rows)),
        "far_min": _rounded(min((row["far"]["packet"] or 0) / max(row["far"]["teacher"], 1e-9) for row in rows)),
        "kd_te_150k": _rounded(mean(row["kd"]["accuracy"] / row["teacher"] for row in rows)),
        "kd_plateau_te": _rounded(mean(row["kd"]["plateau"] / row["teacher"] for row in rows)),
        "answers_only_te": _rounded(mean(efficiency(row, "answers-only") for row in rows)),
        "recoverable_te": _rounded(mean(efficiency(row, "recoverable") for row in rows)),
        "control_excess_max": _rounded(max(excess(row) for row in rows)),
        "deranged_obeyed_min": _rounded(min((row["deranged_obeyed"] or 0) / row["teacher"] for row in rows)),
        "concepts_max": max(row["ledger"]["concepts"] for row in rows),
        "examples_moved": sum(row["ledger"]["examples_moved"] for row in rows),
        "labels_moved": sum(row["ledger"]["labels_moved"] for row in rows),
        "outputs_moved": sum(row["ledger"]["outputs_moved"] for row in rows),
        "bytes_ratio": _rounded(max(bytes_ratio(row) for row in rows)),
        "flops_ratio": _rounded(mean(flops_ratio(row) for row in rows)),
        "flops_ratio_max": _rounded(max(flops_ratio(row) for row in rows)),
    }


def efficiency(row: Row, name: str = "packet") -> float:
    """TE (eq. 22); a packet that was refused taught nothing beyond what was there."""
    right = row["rows"].get(name)
    return float((row["untaught"] if right is None else right) / row["teacher"])


def corrected(row: Row) -> float:
    """TE after subtracting the untaught student's accuracy on both sides."""
    untaught: float = row["untaught"]
    return float(((row["rows"]["packet"] or untaught) - untaught) / (row["teacher"] - untaught))


def excess(row: Row) -> float:
    """How far the best control is above the untaught student; one that was refused is where it was."""
    base = max(row["untaught"], row["chance"])
    return float(max((row["rows"].get(name) or row["untaught"]) - base for name in CONTROLS))


def bytes_ratio(row: Row) -> float:
    """Tensors of the packet over 150,000 outputs, two bytes for each symbol that is decided."""
    moved: int = row["ledger"]["bytes"]
    return float(moved / (OUTPUTS * row["ledger"]["anchors"] * 2))


def flops_ratio(row: Row) -> float:
    """Extraction and alignment over the baseline to the same accuracy on validation."""
    spent: int = row["extraction"]["flops"] + row["alignment"]["packet"]["flops"]
    return float(spent / row["kd"]["flops_to_same"])


def _rounded(value: float) -> float:
    return round(value, 4)


if __name__ == "__main__":
    sys.exit(main())
