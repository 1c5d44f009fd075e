"""The teacher's command line: what a person runs on a GPU host."""

from pathlib import Path
from typing import Annotated

import typer

from m2kt.agent.child import run_child
from m2kt.agent.config import configure
from m2kt.agent.daemon import log_to_stderr
from m2kt.cli.bars import bars
from m2kt.errors import UsageError
from teacher_agent import daemon, static_commands
from teacher_agent.config import Config
from teacher_agent.settings import Operator

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Extract knowledge from a model and publish it.")


@app.callback()
def _root() -> None:
    """Extract knowledge from a model and publish it. `extract`, `aggregate`, `anchors` and `concepts` alone read a job
    from stdin."""


static_commands.mount(app)


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
    operator: Annotated[Operator, typer.Option(help="How states become concepts.")] = Operator.ATTRIBUTION,
    layer: Annotated[int, typer.Option(help="Layer to cluster or code; -1: what reaches the head.", min=-1)] = -1,
    force: Annotated[bool, typer.Option("--force", help="Build below the floor, or from a teacher at chance.")] = False,
    dtype: Annotated[str, typer.Option(help="auto, stored, float32, bfloat16 or float16.")] = "auto",
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
        "dtype": dtype,
        "settings": {"probes": probes, "seed": seed, "operator": operator, "layer": layer, "force": force},
        **({"broker": broker} if broker else {}),
        **({"threads": threads} if threads else {}),
    }
    with bars() as show:
        found = run_child("teacher_agent", "extract", spec, on_progress=show, log=log)
    typer.echo(f"{found['packet_id']}  {found['concepts']} concepts, {found['bytes']} bytes, {out}")
    if broker:
        typer.echo(f"published as {name}@{version}: {found['state']}")


@app.command()
def run(
    config: Annotated[Path | None, typer.Option(help="TOML file with these options, written with underscores.")] = None,
    broker: Annotated[str | None, typer.Option(help="URL of the broker.")] = None,
    key: Annotated[Path | None, typer.Option(help="Private key of this agent (mode 0600).")] = None,
    model: Annotated[Path | None, typer.Option(help="Hugging Face directory of the teacher.")] = None,
    state: Annotated[Path | None, typer.Option(help="Where this teacher keeps what it must remember.")] = None,
    publish: Annotated[
        list[str] | None, typer.Option("--publish", help="DOMAIN=NAME: publish whenever the model changes; repeatable.")
    ] = None,
    channel: Annotated[str | None, typer.Option(help="Lead this channel to what was published and approved.")] = None,
    jobs: Annotated[bool | None, typer.Option("--jobs/--no-jobs", help="Lease extraction jobs, too.")] = None,
    model_name: Annotated[list[str] | None, typer.Option(help="What jobs may call the model; repeatable.")] = None,
    site: Annotated[str | None, typer.Option(help="Where this teacher stands, for the label site.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads.", min=1)] = None,
    look_seconds: Annotated[float | None, typer.Option(help="Between two looks at the model.", min=0.05)] = None,
    settle_seconds: Annotated[float | None, typer.Option(help="A changed model must rest so long.", min=0)] = None,
    drain_seconds: Annotated[float | None, typer.Option(help="For what runs, when told to leave.", min=0)] = None,
) -> None:
    """Follow the model, and do extraction jobs, until told to leave (TERM). docs/daemons.md has every option."""
    given = {name: value for name, value in locals().items() if name not in ("config", "model_name", "publish")}
    given |= {"model_names": model_name or None, "publish": _pairs(publish) or None}
    log_to_stderr()
    daemon.run(configure(Config, config, given))


def _pairs(told: list[str] | None) -> dict[str, str]:
    found = {}
    for each in told or []:
        domain, equals, name = each.partition("=")
        if not (domain and equals and name):
            raise UsageError(f"{each!r} is no DOMAIN=NAME", hint="Write it like chains=acme/chains.")
        found[domain] = name
    return found
