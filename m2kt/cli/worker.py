"""``m2kt worker run``: executes ``python -m broker.worker``. This process becomes it, so signals reach it alone."""

import os
import sys
from importlib.util import find_spec
from typing import Annotated

import typer

from m2kt.errors import UsageError

app = typer.Typer(no_args_is_help=True, help="Work on a broker's jobs.")


@app.callback()
def _noun() -> None:
    """Keep ``run`` a verb: a typer application with one command has none."""


@app.command()
def run(
    slots: Annotated[int, typer.Option(min=1, help="Model jobs at a time.")] = 1,
    device: Annotated[list[str] | None, typer.Option(help="cpu, cuda or cuda:N; one for each slot, in turn.")] = None,
    kind: Annotated[list[str] | None, typer.Option(help="Only jobs of this kind.")] = None,
    model: Annotated[list[str] | None, typer.Option(help="A model that jobs may name with the label model.")] = None,
    site: Annotated[str, typer.Option(help="Where this worker stands, for the label site.")] = "",
    memory_mib: Annotated[int, typer.Option(min=0, help="Memory to offer; 0 is all.")] = 0,
    limit_seconds: Annotated[float, typer.Option(min=0, help="Longest time for an attempt; 0 is no limit.")] = 0,
) -> None:
    """Work until told to stop. Settings come from the environment (docs/operations.md)."""
    words = ["--slots", str(slots)]
    for name, values in (("--device", device), ("--kind", kind), ("--model", model)):
        words += [word for each in values or [] for word in (name, each)]
    for name, value in (("--site", site), ("--memory-mib", memory_mib), ("--limit-seconds", limit_seconds)):
        words += [name, str(value)] if value else []
    if find_spec("broker") is None:
        raise UsageError("the worker is not installed here", hint="Install it: pip install 'm2kt[worker]'.")
    os.execv(sys.executable, [sys.executable, "-m", "broker.worker", *words])  # noqa: S606 - no shell: that is the point
