"""Commands for tasks without steps: publish a teacher's anchors, and what it knows of a task (docs/real.md)."""

from pathlib import Path
from typing import Annotated, Any

import typer

from m2kt.agent.child import run_child
from m2kt.cli.bars import bars
from m2kt.cli.encoders import (
    AnchorFile,
    Encoder,
    GgufFile,
    GgufSha256,
    Layer,
    Model,
    Pool,
    Prompt,
    Settings,
    Threads,
    spec_of,
)

Name = Annotated[str, typer.Option(help="Name of the packet, such as acme/valence.")]
Version = Annotated[str, typer.Option(help="Semantic version of the packet.")]
Key = Annotated[Path, typer.Option(help="Private key of this agent (mode 0600).")]
Broker = Annotated[str | None, typer.Option(help="URL of the broker; without it the packet is only written.")]
Project = Annotated[str | None, typer.Option(help="Project at the broker.")]
Licence = Annotated[str | None, typer.Option(help="SPDX expression.")]


def mount(app: typer.Typer) -> None:
    """Add the commands of this module to ``app``."""
    app.command()(anchors)
    app.command()(concepts)


def anchors(
    set_: AnchorFile,
    name: Name,
    version: Version,
    key: Key,
    model: Model = None,
    encoder: Encoder = None,
    settings: Settings = None,
    pool: Pool = None,
    layer: Layer = None,
    prompt: Prompt = None,
    gguf_file: GgufFile = None,
    gguf_sha256: GgufSha256 = None,
    out: Annotated[Path, typer.Option(help="Where the signed packet is written.")] = Path("anchors.m2kt"),
    broker: Broker = None,
    project: Project = None,
    licence: Licence = None,
    threads: Threads = None,
    log: Annotated[Path, typer.Option(help="Log of the child process.")] = Path("anchors.log"),
) -> None:
    """Publish a teacher's states on an anchor set: once for each teacher, reading and set."""
    found = _child("anchors", {each: value for each, value in locals().items() if each != "log"}, log)
    ledger = found["ledger"]
    typer.echo(f"{found['packet_id']}  {ledger['activations_moved']} anchors, {found['bytes']} bytes, {out}")
    typer.echo(f"anchor set {found['set_sha256']}")
    _published(found, name, version)


def concepts(
    labelled: Annotated[Path, typer.Option(help="The teacher's own items: TEXT, tab, LABEL a line (or .npz).")],
    probes: Annotated[
        list[Path],
        typer.Option(help="Unlabelled inputs, one a line (or .npz), from which concepts are made; repeatable."),
    ],
    set_: AnchorFile,
    name: Name,
    version: Version,
    key: Key,
    model: Model = None,
    encoder: Encoder = None,
    settings: Settings = None,
    pool: Pool = None,
    layer: Layer = None,
    prompt: Prompt = None,
    gguf_file: GgufFile = None,
    gguf_sha256: GgufSha256 = None,
    domain: Annotated[
        str | None, typer.Option(help="The task: NAME or NAME@VERSION; else the last part of the packet's name.")
    ] = None,
    count: Annotated[int | None, typer.Option(help="Most concepts; fewer where probes do not support them.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of what is held out and of the clusters.", min=0)] = 0,
    force: Annotated[bool, typer.Option("--force", help="Build also from a teacher at chance.")] = False,
    out: Annotated[Path, typer.Option(help="Where the signed packet is written.")] = Path("concepts.m2kt"),
    broker: Broker = None,
    project: Project = None,
    licence: Licence = None,
    threads: Threads = None,
    log: Annotated[Path, typer.Option(help="Log of the child process.")] = Path("concepts.log"),
) -> None:
    """Publish what a teacher knows of a task without steps, as static concepts on an anchor set."""
    found = _child("concepts", {each: value for each, value in locals().items() if each != "log"}, log)
    typer.echo(f"{found['packet_id']}  {found['concepts']} concepts, {found['bytes']} bytes, {out}")
    typer.echo(f"symbols: {', '.join(found['symbols'])}")
    typer.echo(
        f"the teacher is right about {found['teacher_accuracy']:.3f} of labelled items that it did not see "
        f"(the commonest label: {found['teacher_chance']:.3f})"
    )
    typer.echo(
        f"{found['probes']} probes ({found['probes_left_out']} left out: labelled items, or given twice); "
        f"anchor set {found['set_sha256']}"
    )
    _published(found, name, version)


def _child(job: str, given: dict[str, Any], log: Path) -> dict[str, Any]:
    """Run a job on what was given on the command line."""
    given["set"] = given.pop("set_")
    with bars() as show:
        return run_child("teacher_agent", job, spec_of(given), on_progress=show, log=log)


def _published(found: dict[str, Any], name: str, version: str) -> None:
    if "state" in found:
        typer.echo(f"published as {name}@{version}: {found['state']}")
