"""``m2kt agent doctor``: what this host needs to run an agent, one line each. `m2kt.cli.agent` mounts it."""

import json
import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from m2kt.agent.doctor import Finding, Host, Level, examine
from m2kt.cli.edge import printable
from m2kt.cli.remote import Output, OutputOption, check_url
from m2kt.errors import UsageError

MARKS = {Level.OK: "ok  ", Level.WARN: "warn", Level.FAIL: "fail"}


def doctor(
    config: Annotated[Path | None, typer.Option(help="The daemon's TOML file; what it says is looked at.")] = None,
    broker: Annotated[str | None, typer.Option(envvar="M2KT_BROKER_URL", help="URL of the broker.")] = None,
    key: Annotated[Path | None, typer.Option(envvar="M2KT_KEY", help="The agent's private key file.")] = None,
    state: Annotated[Path | None, typer.Option(help="Where the agent keeps its state.")] = None,
    device: Annotated[str | None, typer.Option(help="What the agent will compute on: auto, cpu, cuda, cuda:1.")] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Look whether an agent can run here. Changes nothing; exit status 1 when something must be mended first."""
    told = _told(config)
    url = broker or told.get("broker")
    if not url:
        raise UsageError("which broker?", hint="Give --broker, M2KT_BROKER_URL, or --config with the daemon's file.")
    check_url(str(url))
    folder = config.absolute().parent if config else Path()
    named = key or (folder / told["key"] if "key" in told else None)
    where = state or (folder / told["state"] if "state" in told else Path())
    host = Host(str(url), named, where, device or str(told.get("device", "auto")))
    findings = []
    for each in examine(host):
        findings.append(each)
        if output is not Output.JSON:
            typer.echo(_line(each, output))
    if output is Output.JSON:
        typer.echo(json.dumps([asdict(each) for each in findings], indent=2))
    if any(each.level is Level.FAIL for each in findings):
        raise typer.Exit(1)


def _line(finding: Finding, output: Output) -> str:
    if output is Output.JSONL:
        return json.dumps(asdict(finding))
    if output is Output.ID:
        return finding.name
    fix = f"  -> {finding.fix}" if finding.fix else ""
    return printable(" ".join(f"{MARKS[finding.level]}  {finding.name:<9} {finding.detail}{fix}".splitlines()))


def _told(config: Path | None) -> dict[str, Any]:
    if config is None:
        return {}
    try:
        return tomllib.loads(config.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"cannot read {config}: {error}", hint="docs/daemons.md has an example.") from error
