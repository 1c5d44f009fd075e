"""The teacher's command line: what a person runs on a GPU host."""

from pathlib import Path
from typing import Annotated

import typer

from m2kt.agent.child import run_child
from m2kt.cli.bars import bars

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Extract knowledge from a model and publish it.")


@app.callback()
def _root() -> None:
    """Extract knowledge from a model and publish it. `extract` alone reads a job from stdin."""


@app.command()
def publish(
    model: Annotated[Path, typer.Option(help="Hugging Face directory of the teacher.")],
    domain: Annotated[str, typer.Option(help="Name of an installed domain (entry-point group m2kt.domains).")],
    name: Annotated[str, typer.Option(help="Name of the packet, such as chains/base16.")],
    version: Annotated[str, typer.Option(help="Semantic version of the packet.")],
    key: Annotated[Path, typer.Option(help="Private key of this agent (mode 0600).")],
    out: Annotated[Path, typer.Option(help="Where the signed packet is written.")] = Path("packet.m2kt"),
    broker: Annotated[
        str | None, typer.Option(help="URL of the broker; without it the packet is only written.")
    ] = None,
    probes: Annotated[int, typer.Option(help="Prompts to ask the teacher.", min=1)] = 6000,
    seed: Annotated[int, typer.Option(help="Seed of the prompts.", min=0)] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    threads: Annotated[int | None, typer.Option(help="CPU threads; one is best beside other work.", min=1)] = None,
    log: Annotated[Path, typer.Option(help="Log of the extraction process.")] = Path("extract.log"),
) -> None:
    """Extract in a child process, sign, and publish to a broker."""
    spec = {
        "model": str(model),
        "domain": domain,
        "name": name,
        "version": version,
        "key": str(key),
        "out": str(out),
        "device": device,
        "settings": {"probes": probes, "seed": seed},
        **({"broker": broker} if broker else {}),
        **({"threads": threads} if threads else {}),
    }
    with bars() as show:
        found = run_child("teacher_agent", "extract", spec, on_progress=show, log=log)
    typer.echo(f"{found['packet_id']}  {found['concepts']} concepts, {found['bytes']} bytes, {out}")
    if broker:
        typer.echo(f"published as {name}@{version}: {found['state']}")
