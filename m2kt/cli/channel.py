"""``m2kt channel list|show|move``: which version a channel leads to, and leading it to another."""

from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from m2kt.cli.remote import BrokerOption, KeyOption, Output, OutputOption, TrustOption, connect, show_facts, show_rows
from m2kt.client import Client, LogRules
from m2kt.errors import NotFound
from m2kt.log import Memory
from m2kt.packet.fields import DIGEST
from m2kt.signing.keys import TrustStore

app = typer.Typer(no_args_is_help=True, help="Channels: signed heads that lead to versions.")

COLUMNS = ("name", "channel", "version", "serial", "expires", "by", "fault", "packet_id")

Name = Annotated[str, typer.Argument(help="Name of packets, like acme/chains.")]
Word = Annotated[str, typer.Argument(help="Channel, like stable or canary.")]


@app.command("list")
def channel_list(
    broker: BrokerOption,
    name: Annotated[str | None, typer.Option(help="Only of this name.")] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """List channels and where they lead; `fault` says why one is not to be followed. Only `show` verifies."""
    with closing(connect(broker)) as client:
        show_rows(client.channels(name=name, limit=200), COLUMNS, output)


@app.command("show")
def channel_show(
    name: Name,
    channel: Word,
    broker: BrokerOption,
    trust: TrustOption,
    state: Annotated[Path | None, typer.Option(help="Directory that remembers heads: an older one is refused.")] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show where a channel leads, once signature, place in the log and end are verified."""
    rules = LogRules(memory=Memory(state) if state else None)
    with closing(Client(broker, None, TrustStore.from_path(trust), log=rules)) as client:
        head = client.channel(name, channel)
    found = asdict(head) | {"expires": head.expires.isoformat(), "at": head.at.isoformat()}
    show_facts({"packet_id": found.pop("packet_id"), **found}, output)


@app.command("move")
def channel_move(
    name: Name,
    channel: Word,
    to: Annotated[str, typer.Argument(help="A version like 1.2.0, or a packet id.")],
    broker: BrokerOption,
    key: KeyOption,
    seen: Annotated[
        str | None,
        typer.Option("--from", help="The version that it is to lead away from; refused if it leads elsewhere."),
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Lead a channel to an approved version; a channel that is not there is made."""
    target = {"packet_id": to} if DIGEST.fullmatch(to) else {"version": to}
    with closing(connect(broker, key)) as client:
        present = next(client.channels(name=name, channel=channel, limit=1), None)
        if seen is not None and (present is None or present["version"] != seen):
            there = "is not there yet" if present is None else f"leads to {present['version']}"
            raise NotFound(f"the channel {channel} of {name} {there}, not to {seen}", hint="See `m2kt channel list`.")
        moved = client.move_channel(name, channel, etag=present["etag"] if present else None, **target)
    show_facts({each: moved[each] for each in ("packet_id", "name", "channel", "version", "serial", "expires")}, output)
