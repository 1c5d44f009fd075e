"""`python -m examples.demo`: run the demo, print what happened, leave the report."""

import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from examples.demo import report
from examples.demo.run import Demo, Place, broker
from examples.demo.settings import Settings
from examples.demo.steps import Steps, peak_memory
from m2kt.cli.edge import run_app
from m2kt.client import Client
from m2kt.dev.runtime import Runtime

app = typer.Typer(add_completion=False)


@app.command()
def demo(
    keep: Annotated[bool, typer.Option(help="Leave broker and worker running, and print their address.")] = False,
    root: Annotated[Path, typer.Option(help="Where everything is written; emptied first.")] = Settings.root,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, ...")] = Settings.device,
) -> None:
    """One command carries knowledge from a real teacher to a real student through a real broker."""
    run(Settings(root=root.resolve(), device=device), Console(), keep)


def run(settings: Settings, console: Console, keep: bool = False) -> report.Json:
    """Run the demo from nothing and return its report."""
    clear(settings)
    steps = Steps(console)
    with (
        broker(settings, steps, keep) as (place, runtime),
        peak_memory(lambda: [each.pid for each in runtime.status() if each.pid]) as peak,
    ):
        findings = Demo(settings, place, steps).run()
        told = report.build(findings, settings, steps.seconds, peak())
        report.write(told, findings, settings)
    console.print(report.table(told, findings))
    console.print(f"report: {settings.root / 'report.json'} and {settings.root / 'report.html'}", soft_wrap=True)
    if keep:
        console.print(
            f"the broker keeps running: {place.url} (end it with `m2kt dev down --root {settings.root / 'runtime'}`)"
        )
        console.print(f"its dashboard lets you in as demo, with the one-time password {_account(place)}")
    return told


def _account(place: Place) -> str:
    """The one-time password of an account that may do everything."""
    with Client(place.url, place.admin) as client:
        password: str = client.make_account("demo", "admin")["password"]
    return password


def clear(settings: Settings) -> None:
    """Remove what an earlier demo left, its servers first."""
    Runtime(settings.root / "runtime").reset()
    for name in ("controls", "student", "keys", "trust", "log", "aligned"):
        shutil.rmtree(settings.root / name, ignore_errors=True)
    for path in ("packet.m2kt", "report.json", "report.html"):
        (settings.root / path).unlink(missing_ok=True)
    for directory in (settings.logs, settings.keys, settings.trust):
        directory.mkdir(parents=True, exist_ok=True)


if __name__ == "__main__":
    sys.exit(run_app(app, "examples.demo"))
