"""The report: `report.json` for programs, `report.html` for people, a table for the terminal."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from rich.table import Table

from examples.demo import plots
from examples.demo.control import concept_maps
from examples.demo.run import Findings
from examples.demo.settings import Settings
from m2kt.files import write_atomically
from m2kt.packet import read_packet
from m2kt.packet.knowledge import Element, from_tensors

Json = dict[str, Any]

CONTROLS = {"shuffled": "control_shuffled", "random": "control_random", "answers-only": "answers_only"}


def build(findings: Findings, settings: Settings, seconds: dict[str, float], peak_mb: int) -> Json:
    """The keys of `report.json`."""
    verdicts = findings.verdicts
    teacher, student = verdicts["teacher"], verdicts["student"]
    before, after, best = student["accuracy_before"], student["accuracy_after"], teacher["accuracy_before"]
    packet = read_packet(findings.packet.read_bytes())
    return {
        "teacher_accuracy": best,
        "teacher_secret_accuracy": teacher["by_tag_before"].get("secret"),
        "student_before": before,
        "student_after": after,
        "transfer_efficiency": after / best if best else None,
        "transfer_efficiency_corrected": (after - before) / (best - before) if best != before else None,
        "secret_accuracy": student["by_tag_after"].get("secret"),
        **{key: verdicts[name]["accuracy_after"] for name, key in CONTROLS.items()},
        "ledger": dict(packet.manifest.ledger),
        "concepts": findings.extraction["concepts"],
        "packet_bytes": findings.extraction["bytes"],
        "packet_id": findings.packet_id,
        "restored_exactly": findings.logits["before"] == findings.logits["after"],
        "changed_while_active": findings.logits["before"] != findings.logits["during"],
        "perplexity_before": student["perplexity_before"],
        "perplexity_after": student["perplexity_after"],
        "coverage": findings.extraction["coverage"],
        "alignment": findings.outcome["alignment"],
        "decision": findings.outcome["decision"],
        "by_tag": student["by_tag_after"],
        "items": student["items"],
        "peak_rss_mb": peak_mb,
        "seconds": seconds,
        "settings": {key: str(value) for key, value in asdict(settings).items() if key not in ("root", "models")},
    }


def write(report: Json, findings: Findings, settings: Settings) -> None:
    """Write both files anew."""
    write_atomically(settings.root / "report.json", (json.dumps(report, indent=2) + "\n").encode())
    write_atomically(settings.root / "report.html", _page(report, findings, settings).encode())


def rows(report: Json, findings: Findings) -> list[Json]:
    """Name, accuracy and accuracy on the secret operator of everybody."""
    verdicts = findings.verdicts
    student = verdicts["student"]
    told = [
        ("teacher", report["teacher_accuracy"], verdicts["teacher"]["by_tag_before"]),
        ("student before", report["student_before"], student["by_tag_before"]),
        ("student after", report["student_after"], student["by_tag_after"]),
    ]
    told += [(f"control: {name}", report[key], verdicts[name]["by_tag_after"]) for name, key in CONTROLS.items()]
    return [{"name": name, "accuracy": all_, "secret": tags.get("secret", 0.0)} for name, all_, tags in told]


def table(report: Json, findings: Findings) -> Table:
    """The closing table for the terminal."""
    shown = Table("", "all", "secret operator", title="Right final answers on sealed checks", title_justify="left")
    for row in rows(report, findings):
        shown.add_row(row["name"], f"{row['accuracy']:.4f}", f"{row['secret']:.4f}")
    shown.add_section()
    shown.add_row("transfer efficiency", f"{report['transfer_efficiency']:.4f}", "")
    shown.add_row("restored exactly", "yes" if report["restored_exactly"] else "NO", "")
    shown.add_section()
    for name, value in report["ledger"].items():
        shown.add_row(name, str(value), "")
    shown.add_row("packet bytes", str(report["packet_bytes"]), "")
    shown.add_section()
    for name, value in report["seconds"].items():
        shown.add_row(f"seconds: {name}", f"{value:.1f}", "")
    return shown


def _page(report: Json, findings: Findings, settings: Settings) -> str:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
    )
    told = rows(report, findings)
    facts = {
        "packet_id": findings.packet_id,
        "decision": findings.outcome["decision"],
        "reason": findings.outcome["reason"],
        "checks": report["items"],
        "prompts": len(settings.prompts.read_text().splitlines()),
    }
    return environment.get_template("report.html").render(
        report=report, rows=told, facts=facts, plots=_plots(told, findings)
    )


def _plots(told: list[Json], findings: Findings) -> dict[str, str]:
    colours = ["#4e79a7", "#bab0ac", "#59a14f", "#e15759", "#e15759", "#f28e2b"]
    before, after, symbols = concept_maps(findings.packet, findings.memory)
    return {
        "bars": plots.bars([(row["name"], row["accuracy"], colour) for row, colour in zip(told, colours, strict=True)]),
        "before": plots.scatter(before, symbols, "concepts in the teacher's space"),
        "after": plots.scatter(after, symbols, "concepts in the student's space"),
        "roles": _roles(findings.packet),
    }


def _roles(path: Path) -> str:
    """Swap evidence of the template that most chains follow."""
    packet = read_packet(path.read_bytes())
    knowledge = from_tensors(packet.tensors, packet.manifest.symbols, packet.manifest.leads)
    template = max(knowledge.templates, key=lambda each: each.support)
    labels = [_label(knowledge.symbols, kind, argument) for kind, argument, _, _ in template.elements.tolist()]
    decisions = [row[1] for row in template.elements.tolist() if row[0] == Element.DECISION]
    evidence = knowledge.swap[decisions, : len(template)].astype(np.float64)
    return plots.heat(evidence, labels, [f"decision {n + 1}" for n in range(len(decisions))], "roles by slot")


def _label(symbols: tuple[str, ...], kind: int, argument: int) -> str:
    """What a column of the heat map shows: fixed text, or a sign for slot, copy and decision."""
    return symbols[argument][:3] if kind == Element.LITERAL else {1: "□", 2: "↺", 3: "■"}[kind]
