"""Rows of several seeds as one table, with intervals over seeds and items."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from bench.anchored.intervals import difference, ratio
from bench.anchored.task import OVERRULED, Row

Json = dict[str, Any]


def static(name: str, rows: Callable[[int], Mapping[str, Row]], seeds: range) -> Json:
    """A static task: TE of every row against the teacher, and how far controls are above chance."""
    runs = [rows(seed) for seed in seeds]
    teacher = [run["teacher"].right for run in runs]
    chance = float(np.mean([run["majority"].right.mean() for run in runs]))
    table = {row: _told([run[row] for run in runs], teacher, chance) for row in runs[0]}
    for row in (each for each in table if each.startswith(("packet", "head"))):
        found = difference([run[row].right for run in runs], [run["kd"].right for run in runs], teacher).told()
        table[row] |= {f"minus_kd{'' if end == 'mean' else f'_{end}'}": value for end, value in found.items()}
    packet, kd = table["packet"], table["kd"]
    found = {f"{name}_te": packet["te"], f"{name}_low95": packet["te_low"], f"{name}_kd_te": kd["te"]}
    return {**found, **_excess(table, chance), "rows": {"seeds": len(seeds), "chance": round(chance, 4), **table}}


def _excess(table: Json, floor: float) -> Json:
    """How far the best control is above ``floor``: as a user gets it, and with refusals overruled."""
    got = {row: told["accuracy"] for row, told in table.items() if row.startswith("control")}
    held = [accuracy for row, accuracy in got.items() if not row.endswith(OVERRULED)]
    return {"excess": round(max(held) - floor, 4), "excess_overruled": round(max(got.values()) - floor, 4)}


def _told(rows: list[Row], teacher: list[Any], chance: float) -> Json:
    rights = [row.right for row in rows]
    te, accuracy = ratio(rights, teacher), float(np.mean([each.mean() for each in rights]))
    above = float(np.mean([each.mean() for each in teacher])) - chance
    numbers = {
        key: round(float(np.mean([row.told[key] for row in rows])), 4)
        for key, value in rows[0].told.items()
        if isinstance(value, int | float)
    }
    ledger = {"ledger": dict(rows[0].told["ledger"])} if "ledger" in rows[0].told else {}
    return {
        "accuracy": round(accuracy, 4),
        "accuracy_by_seed": [round(float(each.mean()), 4) for each in rights],
        "te": round(te.mean, 4),
        "te_low": round(te.low, 4),
        "te_high": round(te.high, 4),
        "te_corrected": round((accuracy - chance) / above, 4),
        **numbers,
        **ledger,
    }


def facts(seeds: range) -> Json:
    """The facts: right on held-out templates over right as raw concepts, both on the same facts. Controls are rows of
    the first seed."""
    from bench.anchored import facts as lists
    from bench.anchored.facts_controls import measure

    read = lists.teacher_reads()
    raw = read.says(read.centroids) == read.truth
    per_prompt = np.repeat(raw, lists.held_out_counts())
    runs = [measure(seed, controlled=seed == seeds[0]) for seed in seeds]
    table: Json = {}
    for row in runs[0]:
        rows = [run[row] for run in runs if row in run]
        found = ratio([each.right for each in rows], [per_prompt] * len(rows))
        accuracy = round(float(np.mean([each.right.mean() for each in rows])), 4)
        table[row] = {"accuracy": accuracy, "seeds": len(rows), **found.told(), **rows[0].told}
    floor = max(table["student before"]["accuracy"], lists.chance())
    return {
        "facts_te": table["packet"]["mean"],
        **_excess(table, floor),
        "rows": {"raw_concepts": round(float(raw.mean()), 4), **lists.described(read), **table},
    }
