"""`m2kt dev`: a broker of your own, with its servers, in one directory."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from m2kt.dev import Ports, Runtime
from m2kt.dev.startup import OnStep
from m2kt.errors import UsageError

app = typer.Typer(no_args_is_help=True, help="A private broker on this machine: servers, API and worker.")


class Output(StrEnum):
    """How results are written to stdout."""

    TABLE = "table"
    JSON = "json"


Root = Annotated[Path, typer.Option("--root", help="Directory of its data, keys and logs.")]
Format = Annotated[Output, typer.Option("-o", "--output", help="How to write the result.")]
DEFAULT_ROOT = Path("var")
UNCUT = 4096
"""Width of tables: addresses must come whole through a pipe or a narrow terminal, to be copied."""


@app.command()
def up(
    root: Root = DEFAULT_ROOT,
    servers_only: Annotated[bool, typer.Option("--servers-only", help="Postgres and Valkey, no broker.")] = False,
    broker_port: Annotated[int | None, typer.Option(min=1, max=65535, help="Any free one if left out.")] = None,
    output: Format = Output.TABLE,
) -> None:
    """Start what does not run yet and print where it listens."""
    with _progress() as on_step:
        addresses = Runtime(root).up(servers_only=servers_only, ports=Ports(broker=broker_port), on_step=on_step)
    found = {name: value for name, value in asdict(addresses).items() if value is not None}
    if output is Output.JSON:
        _json(found)
    else:
        _write([{"name": name, "value": value} for name, value in found.items()])


@app.command()
def down(root: Root = DEFAULT_ROOT) -> None:
    """End everything; data, keys and logs stay."""
    with _progress() as on_step:
        Runtime(root).down(on_step=on_step)


@app.command()
def status(root: Root = DEFAULT_ROOT, output: Format = Output.TABLE) -> None:
    """Say what runs."""
    rows = [asdict(each) for each in Runtime(root).status()]
    if output is Output.JSON:
        _json(rows)
    else:
        _write(rows)


@app.command()
def reset(root: Root = DEFAULT_ROOT, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """End everything and delete its data, keys and logs."""
    if not yes:
        _confirm(f"Delete the database, keys and logs in {root.resolve()}?")
    with _progress() as on_step:
        Runtime(root).reset(on_step=on_step)


def _confirm(question: str) -> None:
    if not sys.stdin.isatty():
        raise UsageError("a reset deletes data, and there is nobody to ask", hint="Repeat it with --yes.")
    typer.confirm(question, abort=True)


@contextmanager
def _progress() -> Iterator[OnStep]:
    """Steps on stderr: a spinner on a terminal, else one line each."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda step: console.print(step, highlight=False)
        return
    with console.status("looking at what runs") as spinner:
        yield spinner.update


def _write(rows: Sequence[Mapping[str, Any]]) -> None:
    table = Table(*rows[0], box=None, pad_edge=False)
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    Console(width=UNCUT, highlight=False).print(table, markup=False)


def _json(value: object) -> None:
    typer.echo(json.dumps(value, default=str))
