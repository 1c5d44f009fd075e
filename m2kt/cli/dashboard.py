"""``m2kt dashboard``: accounts of people."""

import sys
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from m2kt.cli.remote import BrokerOption, Output, OutputOption, connect, show_facts, show_rows

app = typer.Typer(no_args_is_help=True, help="People at the dashboard.")
account = typer.Typer(no_args_is_help=True, help="Accounts: who may sign in, and as what.")
app.add_typer(account, name="account")

COLUMNS = ("name", "role", "project", "made_by", "created", "must_change", "disabled")
AdminKey = Annotated[Path, typer.Option("--key", envvar="M2KT_KEY", help="An administrator's private key file.")]


class PersonRole(StrEnum):
    """Each may do what those before it may; docs/dashboard.md has the table."""

    VIEWER = "viewer"
    AUDITOR = "auditor"
    OPERATOR = "operator"
    ADMIN = "admin"


@account.command()
def add(
    name: str,
    role: Annotated[PersonRole, typer.Option(help="What they may do.")],
    broker: BrokerOption,
    key: AdminKey,
    project: Annotated[str | None, typer.Option(help="Their project; * for all.")] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Take the first password from stdin.")
    ] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Make an account, and print its one-time password: it is shown this once, and changed at the first sign-in."""
    typed = sys.stdin.readline().rstrip("\r\n") if password_stdin else None
    with closing(connect(broker, key)) as client:
        made = client.make_account(name, role.value, project=project, password=typed)
    show_facts({"password": made.pop("password"), **made, "sign_in": f"{broker.rstrip('/')}/sign-in"}, output)


@account.command("list")
def list_accounts(broker: BrokerOption, key: AdminKey, output: OutputOption = Output.TABLE) -> None:
    """List the accounts of your projects."""
    with closing(connect(broker, key)) as client:
        show_rows(list(client.accounts()), COLUMNS, output)


@account.command()
def reset(name: str, broker: BrokerOption, key: AdminKey, output: OutputOption = Output.TABLE) -> None:
    """Print a new one-time password for an account; it is signed out everywhere."""
    with closing(connect(broker, key)) as client:
        made = client.reset_account(name)
    show_facts({"password": made.pop("password"), **made}, output)


@account.command()
def disable(name: str, broker: BrokerOption, key: AdminKey) -> None:
    """Let an account in no more, at once."""
    with closing(connect(broker, key)) as client:
        client.disable_account(name)
    typer.echo(f"{name} is let in no more")
