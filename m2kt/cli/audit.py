"""``m2kt log audit`` and ``m2kt log reseal``: they execute ``python -m broker.audit``, and say what it found."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from m2kt.cli.edge import printable
from m2kt.cli.remote import Output, OutputOption
from m2kt.client.audit import Finding, Report
from m2kt.dev import Runtime
from m2kt.errors import LogTampered, UsageError

RootOption = Annotated[
    Path | None, typer.Option("--root", help="Directory of an `m2kt dev` runtime; without it, the M2KT_ variables.")
]
FormerOption = Annotated[
    list[Path] | None,
    typer.Option("--former-key", exists=True, help="A private key that the broker had before: its seals count, too."),
]


def audit(root: RootOption = None, former_key: FormerOption = None, output: OutputOption = Output.TABLE) -> None:
    """Read the broker's database, row by row, with the broker's key: names what was changed, removed or added.

    Runs where the broker's settings are (docs/operations.md); `verify` and `monitor` run anywhere and need no secret.
    """
    tell(audited(root, former_key), output, "this database is not what the broker wrote")


def audited(root: Path | None, former: list[Path] | None) -> Report:
    """What `audit` finds."""
    return _executed(root, former, ())


def reseal(
    root: RootOption = None,
    former_key: FormerOption = None,
    accept: Annotated[bool, typer.Option("--accept", help="Seal it in spite of findings: you know why.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Audit, and seal every row anew: after an upgrade, or with a new key. With findings it seals nothing."""
    words = ["--reseal", *(["--accept"] if accept else [])]
    tell(_executed(root, former_key, words), output, "nothing was sealed; --accept seals what is there")


def tell(report: Report, output: Output, verdict: str) -> None:
    """Print a report; `LogTampered` when it has findings."""
    words = output not in (Output.JSON, Output.JSONL)
    if not words:
        typer.echo(json.dumps(asdict(report)))
    for each in report.findings if words else ():
        typer.echo(printable(f"{each.where}: {each.what}"))
    if report.findings:
        raise LogTampered(f"{len(report.findings)} findings: {verdict}")
    if words:
        typer.echo(
            "verified " + ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in report.counted.items())
        )


def _executed(root: Path | None, former: list[Path] | None, words: Sequence[str]) -> Report:
    if find_spec("broker") is None:
        raise UsageError("the broker is not installed here", hint="Install it: pip install 'm2kt[broker]'.")
    told = {} if root is None else Runtime(root).environment()
    keys = [word for each in former or () for word in ("--former-key", str(each))]
    argv = [sys.executable, "-m", "broker.audit", *words, *keys]
    child = subprocess.run(argv, env={**os.environ, **told}, stdout=subprocess.PIPE, text=True, check=False)
    if child.returncode:
        raise SystemExit(child.returncode)  # it has said why
    found = json.loads(child.stdout)
    return Report([Finding(**each) for each in found["findings"]], found["counted"])
