"""The demo's claims, on a smaller setting: fewer probes, steps and checks; the same programs, broker and models."""

import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from examples.demo.__main__ import run
from examples.demo.settings import Settings
from tests.models import EXAMPLES

CHECKS = 240


def small_models(directory: Path) -> Path:
    """The example models with a part of their checks."""
    directory.mkdir()
    for name in ("teacher", "student", "general.txt", "prompts.txt"):
        (directory / name).symlink_to(EXAMPLES / name)
    lines = (EXAMPLES / "checks.jsonl").read_text().splitlines(keepends=True)
    (directory / "checks.jsonl").write_text("".join(lines[:: len(lines) // CHECKS]))
    return directory


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Settings]:
    root = tmp_path_factory.mktemp("demo")
    fewer = {"swap": {"chains": 24}}
    settings = Settings(
        root=root / "demo", models=small_models(root / "models"), probes=5000, extraction=fewer, steps=60
    )
    settings.root.mkdir()
    return run(settings, Console(quiet=True)), settings


@pytest.mark.timeout(600)
def test_the_packet_teaches_and_the_controls_do_not(demo: tuple[dict[str, Any], Settings]) -> None:
    report, _ = demo
    assert report["transfer_efficiency"] >= 0.90
    assert report["secret_accuracy"] >= 0.85 * report["teacher_secret_accuracy"]
    assert report["control_shuffled"] <= report["student_before"] + 0.05
    assert report["control_random"] <= report["student_before"] + 0.05
    assert report["student_before"] < 0.25


def test_no_example_no_label_and_no_output_moved(demo: tuple[dict[str, Any], Settings]) -> None:
    report, _ = demo
    ledger = report["ledger"]
    assert [ledger[key] for key in ("examples_moved", "labels_moved", "activations_moved", "outputs_moved")] == [0] * 4
    assert report["concepts"] <= 1100
    assert report["packet_bytes"] <= 2 * 2**20
    assert ledger["logit_rows_recoverable"] == report["concepts"]


def test_revocation_restores_the_student_bit_exactly(demo: tuple[dict[str, Any], Settings]) -> None:
    report, settings = demo
    before, during, after = (
        (settings.root / f"logits-{when}.bin").read_bytes() for when in ("before", "during", "after")
    )
    assert report["restored_exactly"]
    assert before == after != during
    assert json.loads((settings.state / "active.json").read_text())["packets"] == []


def test_the_report_has_its_keys_and_is_readable(demo: tuple[dict[str, Any], Settings]) -> None:
    report, settings = demo
    assert json.loads((settings.root / "report.json").read_text()) == report
    keys = "teacher_accuracy teacher_secret_accuracy student_before student_after transfer_efficiency secret_accuracy"
    keys += " control_shuffled control_random answers_only ledger concepts packet_bytes restored_exactly peak_rss_mb"
    assert set(keys.split()) | {"seconds"} <= set(report)
    page = (settings.root / "report.html").read_text()
    assert page.count("<svg") == 4
    assert report["packet_id"] in page
    assert f"final answers on {report['items']} sealed checks" in page


def test_nothing_is_left_running(demo: tuple[dict[str, Any], Settings]) -> None:
    from m2kt.dev import Runtime

    _, settings = demo
    assert {each.state for each in Runtime(settings.root / "runtime").status()} == {"stopped"}
