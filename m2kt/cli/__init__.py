"""The command line ``m2kt <noun> <verb>``: one module per noun, loaded when the noun is used."""

import sys
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from m2kt import __version__
from m2kt.cli.edge import run_app


class Noun(NamedTuple):
    """A noun of the command line: the module whose ``app`` has its verbs, and its line in ``m2kt --help``."""

    module: str
    help: str


NOUNS: Mapping[str, Noun] = {
    "packet": Noun("m2kt.cli.packet", "Look into packets, check their signatures, and exchange them."),
    "channel": Noun("m2kt.cli.channel", "Follow and move channels: signed heads that lead to versions."),
    "key": Noun("m2kt.cli.key", "Make, list, rotate and revoke signing keys."),
    "agent": Noun("m2kt.cli.agent", "Register and list agents."),
    "job": Noun("m2kt.cli.job", "Start jobs and follow them."),
    "exchange": Noun("m2kt.cli.exchange", "Let models teach each other in rounds."),
    "worker": Noun("m2kt.cli.worker", "Work on a broker's jobs."),
    "dashboard": Noun("m2kt.cli.dashboard", "Let people sign in at a broker's dashboard."),
    "log": Noun("m2kt.cli.log", "Verify, monitor and witness a broker's transparency log."),
    "dev": Noun("m2kt.cli.dev", "Run everything on this machine."),
}


class _LazyNoun(TyperCommand):
    """Stands in for a noun until its context is made: ``m2kt --help`` must not import every noun's libraries."""

    def __init__(self, name: str, noun: Noun) -> None:
        super().__init__(name, help=noun.help)
        self._module = noun.module

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        group = get_group(import_module(self._module).app)
        return group.make_context(info_name, args, parent=parent, **extra)


class _Nouns(TyperGroup):
    """The nouns of `NOUNS` whose modules are installed."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [name for name, noun in NOUNS.items() if find_spec(noun.module)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return _LazyNoun(cmd_name, NOUNS[cmd_name]) if cmd_name in self.list_commands(ctx) else None


app = typer.Typer(cls=_Nouns, no_args_is_help=True, add_completion=False)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show it.")] = False,
) -> None:
    """Signed knowledge packets: one trained model teaches another."""


def main() -> None:
    """The command ``m2kt``."""
    sys.exit(run_app(app, "m2kt"))
