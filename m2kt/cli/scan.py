"""``m2kt packet scan``: the broker's checks on a file, without a broker."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from m2kt.cli.remote import Output, OutputOption, print_table, read_file, show_facts
from m2kt.packet import Packet, read_packet
from m2kt.scan import Decision, Policy
from m2kt.scan.report import report

app = typer.Typer()
EXITS = {Decision.APPROVE: 0, Decision.REVIEW: 1, Decision.REJECT: 1, Decision.INCONCLUSIVE: 1}
STYLES = {"pass": "green", "suspicious": "yellow", "fail": "bold red", "error": "bold red", "not-run": "dim"}


@app.command()
def scan(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A packet, *.m2kt.")],
    output: OutputOption = Output.TABLE,
    policy: Annotated[Path | None, typer.Option(exists=True, help="A scan policy (docs/scan.md).")] = None,
    tier: Annotated[str | None, typer.Option(help="A tier of the policy; its usual one otherwise.")] = None,
    reference: Annotated[
        list[Path] | None, typer.Option(exists=True, help="A packet to compare with; may be given several times.")
    ] = None,
) -> None:
    """Run every check on a packet file. Exit 0 only when the policy would approve it."""
    rules = Policy.from_bytes(read_file(policy)) if policy else Policy()
    said = report(read_file(file), rules, [_packet(each) for each in reference or ()], tier)
    if output is Output.TABLE:
        print_table(_table(said["checks"]))
        typer.echo(f"{said['decision']} (tier {said['tier']}): {said['reason']}")
    else:
        show_facts(said, output)
    raise typer.Exit(EXITS[Decision(said["decision"])])


def _packet(path: Path) -> Packet:
    return read_packet(read_file(path))


def _table(checks: list[dict[str, str]]) -> Table:
    table = Table(title=None, box=None, pad_edge=False)
    for column in ("check", "outcome", "evidence"):
        table.add_column(column, overflow="fold")
    for each in checks:
        outcome = Text(each["outcome"], style=STYLES[each["outcome"]])
        table.add_row(f"{each['name']} {each['version']}", outcome, Text("\n".join(each["evidence"])))
    return table
