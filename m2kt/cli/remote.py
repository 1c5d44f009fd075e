"""``m2kt packet list|show|publish|pull|revoke``: packets at a broker. `m2kt.cli.packet` mounts them."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from m2kt.cli.edge import printable
from m2kt.client import Client
from m2kt.errors import TooLarge, UsageError
from m2kt.files import write_atomically
from m2kt.packet import Limits
from m2kt.signing.keys import TrustStore, load_private

app = typer.Typer(no_args_is_help=True, help="Packets at a broker.")


class Output(StrEnum):
    """Forms of output: ``jsonl`` is one JSON object a line, ``id`` only what other commands ask for."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    ID = "id"


class Decision(StrEnum):
    """A reviewer's decision."""

    APPROVE = "approve"
    REJECT = "reject"


OutputOption = Annotated[Output, typer.Option("-o", "--output", help="Form of output; id: one id a line.")]
BrokerOption = Annotated[str, typer.Option("--broker", envvar="M2KT_BROKER_URL", help="URL of the broker.")]
KeyOption = Annotated[Path, typer.Option("--key", envvar="M2KT_KEY", help="Your private key file; signs the request.")]
TrustOption = Annotated[
    Path, typer.Option(exists=True, help="Directory of public keys: the teachers' and the broker's.")
]
PacketId = Annotated[str, typer.Argument(help="sha256:<64 hex digits>")]

UNCUT = 4096
"""Width of tables where no terminal bounds them."""

COLUMNS = ("packet_id", "name", "version", "state", "domain", "publisher", "created")


def connect(broker: str, key: Path | None = None, trust: Path | None = None) -> Client:
    """A client for one command."""
    check_url(broker)
    signer = load_private(key) if key else None
    return Client(broker, signer, TrustStore.from_path(trust) if trust else None)


def check_url(broker: str) -> None:
    """`UsageError` for what is no URL of a broker."""
    try:
        parts = urlsplit(broker)
        well = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        well = False
    if not well:
        raise UsageError(f"{broker!r} is no URL of a broker", hint="Write it like http://127.0.0.1:8000.")


@app.command("list")
def packet_list(
    broker: BrokerOption,
    name: Annotated[str | None, typer.Option(help="Only this name.")] = None,
    state: Annotated[str | None, typer.Option(help="Only this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    output: OutputOption = Output.TABLE,
) -> None:
    """List packets, newest first."""
    with closing(connect(broker)) as client:
        found = client.list(name=name, state=state, limit=min(limit, 200))
        show_rows(islice(found, limit), COLUMNS, output)


@app.command("show")
def packet_show(packet_id: PacketId, broker: BrokerOption, output: OutputOption = Output.TABLE) -> None:
    """Show what the broker says about a packet, and what it did to students; only `pull` verifies it."""
    with closing(connect(broker)) as client:
        found, outcomes = client.show(packet_id), client.outcomes(packet_id)
    manifest = found.pop("manifest")
    if output is Output.TABLE:
        show_facts({**found, "parents": "\n".join(manifest["parents"]), "outcomes": _in_words(outcomes)}, output)
    else:
        show_facts({**found, "manifest": manifest, "outcomes": outcomes}, output)


@app.command("publish")
def packet_publish(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A signed packet, *.m2kt.")],
    broker: BrokerOption,
    key: KeyOption,
    wait: Annotated[float, typer.Option(min=0, help="Wait this many seconds for the scan.")] = 0,
    output: OutputOption = Output.TABLE,
) -> None:
    """Publish a packet. Publishing it again changes nothing."""
    with closing(connect(broker, key)) as client:
        found = client.publish(read_file(file))
        if wait:
            found = client.wait_for_state(found["packet_id"], {"approved", "rejected", "revoked"}, wait)
    show_facts({name: found[name] for name in (*COLUMNS, "reason")}, output)


@app.command("pull")
def packet_pull(
    packet_id: PacketId,
    broker: BrokerOption,
    key: KeyOption,
    trust: TrustOption,
    out: Annotated[Path, typer.Option(help="File to write.")] = Path("packet.m2kt"),
) -> None:
    """Pull an approved packet and write it, once its digest, signature and receipt are verified."""
    with closing(connect(broker, key, trust)) as client:
        client.warn = lambda text: typer.echo(f"warning: {printable(text)}", err=True)
        data = client.fetch(packet_id)
        verified = client.verify(packet_id, data)
    write_atomically(out, data)
    typer.echo(f"verified {verified.packet.manifest.reference}, wrote {out}")
    for each in verified.key_ids:
        typer.echo(f"signed by {each}")


@app.command("review")
def packet_review(
    packet_id: PacketId,
    broker: BrokerOption,
    key: KeyOption,
    decision: Annotated[Decision, typer.Option(help="Your decision; one rejection is enough to reject.")],
    reason: Annotated[str, typer.Option(help="Why; everybody can read it.")],
) -> None:
    """Approve or reject a packet that waits for reviewers, signed with your key."""
    with closing(connect(broker, key)) as client:
        client.review(packet_id, decision.value, reason)
        found = client.show(packet_id)
    typer.echo(f"{found['name']}@{found['version']} is {found['state']}: {found['reason']}")


@app.command("revoke")
def packet_revoke(
    packet_id: PacketId,
    broker: BrokerOption,
    key: KeyOption,
    reason: Annotated[str, typer.Option(help="Why; everybody who pulls it reads this.")],
) -> None:
    """Take a packet back, for good."""
    with closing(connect(broker, key)) as client:
        found = client.revoke(packet_id, reason)
    typer.echo(f"{found['name']}@{found['version']} is {found['state']}: {found['reason']}")


@app.command("yank")
def packet_yank(
    packet_id: PacketId,
    broker: BrokerOption,
    key: KeyOption,
    reason: Annotated[str, typer.Option(help="Why; everybody who pulls it reads this.")],
    undo: Annotated[bool, typer.Option("--undo", help="Take the advice back.")] = False,
) -> None:
    """Advise against a packet: who names it exactly still gets it, nobody is led to it any more."""
    with closing(connect(broker, key)) as client:
        found = (client.unyank if undo else client.yank)(packet_id, reason)
    typer.echo(f"{found['name']}@{found['version']} is {found['state']}: {found['reason']}")


@app.command("lineage")
def packet_lineage(
    packet_id: PacketId,
    broker: BrokerOption,
    down: Annotated[bool, typer.Option("--down", help="What was made of it, instead of what it was made of.")] = False,
    depth: Annotated[int, typer.Option(min=1, max=64, help="How many steps.")] = 8,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show what a packet was made of, or what was made of it."""
    with closing(connect(broker)) as client:
        rows = client.lineage(packet_id, "descendants" if down else "ancestors", depth=depth)
        show_rows(rows, ("packet_id", "depth", "name", "version", "state", "reason"), output)


@app.command("recall")
def packet_recall(
    packet_id: PacketId, broker: BrokerOption, key: KeyOption, output: OutputOption = Output.TABLE
) -> None:
    """List the students that have a packet which was taken back, or one that was made of it."""
    with closing(connect(broker, key)) as client:
        rows = client.recall_list(packet_id)
        show_rows(rows, ("packet_id", "student", "name", "version", "state", "since", "reason"), output)


@app.command("pulls")
def packet_pulls(
    packet_id: PacketId, broker: BrokerOption, key: KeyOption, output: OutputOption = Output.TABLE
) -> None:
    """List who had a packet's bytes, and on which days; whether they report what it did is up to them."""
    with closing(connect(broker, key)) as client:
        show_rows(client.pulls(packet_id), ("agent", "day", "at"), output)


def _in_words(outcomes: Mapping[str, Any]) -> str:
    """One line for people; figures are means over those students that measured."""
    if not outcomes["reports"]:
        return "nobody has reported any"
    decisions = ", ".join(f"{count} {word}" for word, count in outcomes["decisions"].items())
    said = f"{outcomes['students']} students ({decisions}), {outcomes['held']} have it"
    if outcomes["improvement"] is None:
        return said
    low = outcomes["improvement_low"]
    least = "" if low is None else f", at least {low:+.3f} in each"
    return f"{said}; accuracy {outcomes['improvement']:+.3f} in {outcomes['measured']} measured{least}"


def read_file(file: Path) -> bytes:
    """The bytes of a file that may be a packet by its size; `TooLarge` before it is read whole."""
    limit = Limits().max_packet_bytes
    try:
        with file.open("rb") as stream:
            data = stream.read(limit + 1)
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error
    if len(data) > limit:
        raise TooLarge(f"{file} has more than the {limit} bytes that a packet may have")
    return data


def show_rows(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], output: Output) -> None:
    """Rows of the broker's JSON; the first column is their id."""
    if output is Output.JSON:
        typer.echo(json.dumps(list(rows), indent=2))
    elif output is Output.TABLE:
        table = Table(box=None, pad_edge=False)
        for each in columns:
            table.add_column(each, overflow="fold")
        for row in rows:
            table.add_row(*(_cell(row.get(each)) for each in columns))
        print_table(table)
    else:
        for row in rows:
            typer.echo(json.dumps(row) if output is Output.JSONL else printable(str(row[columns[0]])))


def show_facts(facts: Mapping[str, Any], output: Output) -> None:
    """One thing, a line for each of its fields; the first field is its id."""
    if output is Output.JSON:
        typer.echo(json.dumps(facts, indent=2))
    elif output is Output.TABLE:
        table = Table.grid(padding=(0, 2))
        table.add_column(style="bold")
        table.add_column(overflow="fold")
        for name, fact in facts.items():
            table.add_row(name, _cell(fact))
        print_table(table)
    else:
        show_rows([facts], list(facts), output)


def print_table(table: Table) -> None:
    """As wide as the terminal; a pipe gets whole lines, to be cut and copied."""
    Console(width=None if sys.stdout.isatty() else UNCUT, highlight=False).print(table)


def _cell(value: object) -> Text:
    """As `Text`, and printable: what strangers wrote is no markup, and steers no terminal."""
    text = value if isinstance(value, str) else "" if value is None else json.dumps(value)
    return Text(printable(text))
