"""Rows with one thing changed: every group is there, and what must not matter does not."""

from dataclasses import replace
from pathlib import Path

import pytest

from bench.te import ablations
from bench.te.settings import QUICK, Kd

BUDGET = Kd(outputs=2_000, steps=60, rates=(3e-3,), every=30, patience=3, plateau_steps=20)


@pytest.mark.nightly
def test_each_part_is_changed_once_and_every_row_says_what_became_of_it(tmp_path: Path) -> None:
    size = replace(QUICK, probes=1200, control_steps=40, items=80, validation=20, kd=BUDGET)
    rows = ablations.run("brackets", 7, size, tmp_path, tmp_path / "models")
    groups = {row["group"] for row in rows}
    missing = {"edges", "templates", "missing facts", "wrong outputs", "blurred states"}
    assert groups == {"operator", "CAL", "loss", "precision", "KD", "labels", *missing}  # one world, and only 28 facts
    te = {row["name"]: row["te"] for row in rows}
    assert all(te[name] >= 0.9 for name in ("attribution", "fp32", "fp16", "int8", "clustering, 64 vectors"))
    outputs = [row["outputs"] for row in rows if row["group"] == "KD"]
    assert all(count > 0 for count in outputs)
