"""What rows say together (`bench.transfer` names the figures)."""

import math
from collections.abc import Sequence
from statistics import mean
from typing import Any

from bench.te.settings import CONTROLS, OUTPUTS
from student_agent.statistics import lower_bound, upper_bound

Row = dict[str, Any]
PLATEAU = 0.97
"""Least TE of the baseline's plateau; below it a row says nothing about the baseline, whatever else it says."""


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
        "kd_void_rows": sum(row["kd"]["plateau"] / row["teacher"] < PLATEAU for row in rows),
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


def bytes_to_labels(row: Row) -> float:
    """The same tensors over 150,000 outputs as labels alone, each in as many bits as tell the symbols apart."""
    bits = math.ceil(math.log2(max(2, row["ledger"]["anchors"])))
    return float(row["ledger"]["bytes"] * 8 / (OUTPUTS * bits))


def bytes_to_equal(row: Row) -> float:
    """The same tensors over the fp16 logits that the baseline had seen when it first was as good on validation (all of
    them if it never was)."""
    kd = row["kd"]
    last = kd["looks"][-1][0]
    steps = next((steps for steps, seen in kd["looks"] if seen >= kd["wanted"]), last)
    seen = kd["outputs"] * min(1.0, kd["epochs"] * steps / last)
    return float(row["ledger"]["bytes"] / (seen * row["ledger"]["anchors"] * 2))


def interval(share: float, items: int) -> tuple[float, float]:
    """95 % Clopper-Pearson bounds of a share of ``items``."""
    right = round(share * items)
    return lower_bound(right, items, 0.975), upper_bound(right, items, 0.975)


def flops_ratio(row: Row) -> float:
    """Extraction and alignment over the baseline to the same accuracy on validation."""
    spent: int = row["extraction"]["flops"] + row["alignment"]["packet"]["flops"]
    return float(spent / row["kd"]["flops_to_same"])


def _rounded(value: float) -> float:
    return round(value, 4)
