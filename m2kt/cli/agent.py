"""``m2kt agent``: who may speak to a broker."""

from contextlib import closing
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from m2kt.cli.remote import BrokerOption, Output, OutputOption, connect, show_facts, show_rows
from m2kt.signing.keys import load_private, load_public
from m2kt.signing.validity import parse_time

app = typer.Typer(no_args_is_help=True, help="Register, list and revoke agents.")

COLUMNS = ("name", "role", "key_id", "created", "revoked_at")

AdminKey = Annotated[Path, typer.Option("--key", envvar="M2KT_KEY", help="An administrator's private key file.")]


class Role(StrEnum):
    """What an agent may do; docs/broker.md has the table."""

    TEACHER = "teacher"
    STUDENT = "student"
    WORKER = "worker"
    REVIEWER = "reviewer"
    AUDITOR = "auditor"
    ADMIN = "admin"


@app.command()
def register(
    name: Annotated[str, typer.Option(help="The agent's name.")],
    role: Annotated[Role, typer.Option(help="What it may do.")],
    public_key: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="Its public key file.")],
    broker: BrokerOption,
    key: AdminKey,
    output: OutputOption = Output.TABLE,
) -> None:
    """Register an agent. Repeating it with equal content changes nothing."""
    with closing(connect(broker, key)) as client:
        show_facts(client.register_agent(name, role.value, load_public(public_key)), output)


@app.command("list")
def list_agents(broker: BrokerOption, output: OutputOption = Output.TABLE) -> None:
    """List agents in order of registration, the revoked ones too."""
    with closing(connect(broker)) as client:
        show_rows(list(client.agents()), COLUMNS, output)


@app.command()
def rotate(
    name: str,
    broker: BrokerOption,
    key: Annotated[Path, typer.Option("--key", envvar="M2KT_KEY", help="The agent's present private key file.")],
    new_key: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="The private key that follows it.")],
    overlap: Annotated[int, typer.Option(min=0, max=720, help="Hours for which the old key still counts.")] = 24,
) -> None:
    """Tell a broker that an agent has another key from now on. Both keys sign, so nobody can do it for somebody."""
    with closing(connect(broker, key)) as client:
        found = client.rotate_key(name, load_private(key), load_private(new_key), overlap=timedelta(hours=overlap))
    typer.echo(
        f"{found['name']} has the key {found['key_id']}; the old one counts until {found['keys'][-2]['not_after']}"
    )


@app.command()
def revoke(
    name: str,
    broker: BrokerOption,
    key: AdminKey,
    since: Annotated[
        datetime | None, typer.Option(parser=parse_time, metavar="TIME", help="When it was lost; now if left out.")
    ] = None,
) -> None:
    """Take an agent's keys out of use, for good. What they signed before SINCE stays."""
    with closing(connect(broker, key)) as client:
        found = client.revoke_agent(name, since)
    typer.echo(f"{found['name']} was revoked at {found['revoked_at']}")
