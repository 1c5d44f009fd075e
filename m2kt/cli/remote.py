"""``m2kt packet list|show|publish|pull|revoke``: packets at a broker. `m2kt.cli.packet` mounts them."""

import json
from collections.abc import Iterable, Mapping
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from m2kt.client import Client
from m2kt.errors import UsageError
from m2kt.files import write_atomically
from m2kt.packet import Limits
from m2kt.signing.keys import TrustStore, load_private

app = typer.Typer(no_args_is_help=True, help="Packets at a broker.")


class Output(StrEnum):
    """Forms of output."""

    TABLE = "table"
    JSON = "json"


OutputOption = Annotated[Output, typer.Option("-o", "--output", help="Form of output.")]
BrokerOption = Annotated[str, typer.Option("--broker", envvar="M2KT_BROKER_URL", help="URL of the broker.")]
KeyOption = Annotated[Path, typer.Option("--key", envvar="M2KT_KEY", help="Your private key file; signs the request.")]
TrustOption = Annotated[
    Path, typer.Option(exists=True, help="Directory of public keys: the teachers' and the broker's.")
]
PacketId = Annotated[str, typer.Argument(help="sha256:<64 hex digits>")]

COLUMNS = ("packet_id", "name", "version", "state", "domain", "publisher", "created")


def connect(broker: str, key: Path | None = None, trust: Path | None = None) -> Client:
    """A client for one command."""
    signer = load_private(key) if key else None
    return Client(broker, signer, TrustStore.from_path(trust) if trust else None)


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
        show_rows([each for each, _ in zip(found, range(limit), strict=False)], COLUMNS, output)


@app.command("show")
def packet_show(packet_id: PacketId, broker: BrokerOption, output: OutputOption = Output.TABLE) -> None:
    """Show what the broker says about a packet; only `pull` verifies it."""
    with closing(connect(broker)) as client:
        found = client.show(packet_id)
    manifest = found.pop("manifest")
    shown = found if output is Output.TABLE else {**found, "manifest": manifest}
    show_facts(shown, output)


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
        found = client.publish(_read(file))
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
        data = client.fetch(packet_id)
        verified = client.verify(packet_id, data)
    write_atomically(out, data)
    typer.echo(f"verified {verified.packet.manifest.reference}, wrote {out}")
    for each in verified.key_ids:
        typer.echo(f"signed by {each}")


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


def _read(file: Path) -> bytes:
    size = file.stat().st_size
    if size > Limits().max_packet_bytes:
        raise UsageError(f"{file} has {size} bytes: no packet is that large")
    return file.read_bytes()


def show_rows(rows: Iterable[Mapping[str, Any]], columns: Iterable[str], output: Output) -> None:
    """Rows of the broker's JSON. As `Text`: names from strangers are no markup."""
    if output is Output.JSON:
        typer.echo(json.dumps(list(rows), indent=2))
        return
    table = Table(box=None, pad_edge=False)
    for each in columns:
        table.add_column(each, overflow="fold")
    for row in rows:
        table.add_row(*(Text(_text(row[each])) for each in columns))
    Console().print(table)


def show_facts(facts: Mapping[str, Any], output: Output) -> None:
    """One thing, a line for each of its fields."""
    if output is Output.JSON:
        typer.echo(json.dumps(facts, indent=2))
        return
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, fact in facts.items():
        table.add_row(name, Text(_text(fact)))
    Console().print(table)


def _text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)
