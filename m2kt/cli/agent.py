"""``m2kt agent``: who may speak to a broker."""

import sys
from contextlib import closing
from dataclasses import asdict
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from m2kt.agent import enrolment
from m2kt.cli.remote import BrokerOption, Output, OutputOption, check_url, connect, show_facts, show_rows
from m2kt.signing.keys import load_private, load_public
from m2kt.signing.validity import parse_time

app = typer.Typer(no_args_is_help=True, help="Enrol, register, list, drain and revoke agents.")

COLUMNS = ("name", "role", "project", "key_id", "created", "revoked_at", "draining", "session")
TOKENS = ("id", "role", "project", "name_pattern", "made_by", "expires", "used", "key_id")

ProjectOption = Annotated[str | None, typer.Option(help="Its project; * for all, where the role may.")]
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
    project: ProjectOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Register an agent whose public key you have. Repeating it with equal content changes nothing."""
    with closing(connect(broker, key)) as client:
        show_facts(client.register_agent(name, role.value, load_public(public_key), project), output)


@app.command()
def token(
    role: Annotated[Role, typer.Option(help="What the agent may do.")],
    broker: BrokerOption,
    key: AdminKey,
    project: ProjectOption = None,
    name: Annotated[str | None, typer.Option(help="Only for names like this; * and ? are wildcards.")] = None,
    minutes: Annotated[int, typer.Option(min=1, max=7 * 24 * 60, help="How long it can be used.")] = 15,
    output: OutputOption = Output.ID,
) -> None:
    """Make a one-use token for `m2kt agent enrol`, and print it: it is shown this once."""
    with closing(connect(broker, key)) as client:
        made = client.make_token(role.value, project=project, name_pattern=name, lifetime=timedelta(minutes=minutes))
    show_facts({"token": made.pop("token"), **made}, output)


@app.command()
def tokens(broker: BrokerOption, key: AdminKey, output: OutputOption = Output.TABLE) -> None:
    """List the tokens that were made, and which keys used them; never their words."""
    with closing(connect(broker, key)) as client:
        show_rows(list(client.tokens()), TOKENS, output)


@app.command()
def withdraw(number: int, broker: BrokerOption, key: AdminKey) -> None:
    """Let a token that nobody has used end now; NUMBER is its id in `m2kt agent tokens`."""
    with closing(connect(broker, key)) as client:
        client.withdraw_token(number)
    typer.echo(f"token {number} lets nobody in any more")


@app.command()
def enrol(
    name: Annotated[str, typer.Option(help="The agent's name.")],
    token: Annotated[
        str, typer.Option("--token", envvar="M2KT_TOKEN", help="What `m2kt agent token` printed; - reads stdin.")
    ],
    broker: BrokerOption,
    key: Annotated[Path, typer.Option(help="Its private key file; made (0600) if it is not there.")] = Path(
        "agent.key"
    ),
    role: Annotated[Role | None, typer.Option(help="Refuse a token for another role.")] = None,
    project: Annotated[str | None, typer.Option(help="Refuse a token for another project.")] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Enrol this host: make its key here and register the public half. Repeating it with the same key is safe."""
    spoken = sys.stdin.read().strip() if token == "-" else token  # noqa: S105 - a dash is no password
    check_url(broker)
    found = enrolment.enrol(broker, spoken, name, key, role=role.value if role else None, project=project)
    show_facts({**asdict(found), "key": str(key)}, output)


@app.command("list")
def list_agents(
    broker: BrokerOption,
    key: Annotated[Path | None, typer.Option("--key", envvar="M2KT_KEY", help="Shows its own project, too.")] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """List agents in order of registration, the revoked ones too."""
    with closing(connect(broker, key)) as client:
        show_rows(list(client.agents()), COLUMNS, output)


@app.command()
def drain(
    name: str,
    broker: BrokerOption,
    key: AdminKey,
    undo: Annotated[bool, typer.Option("--undo", help="Let it work again.")] = False,
) -> None:
    """Have a running agent take no more work, finish what it has, and end. Holds until --undo, over restarts, too."""
    with closing(connect(broker, key)) as client:
        found = client.resume_agent(name) if undo else client.drain_agent(name)
    typer.echo(f"{found['name']} may work" if undo else f"{found['name']} drains since {found['draining']}")


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
