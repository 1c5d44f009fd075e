"""``m2kt exchange``: peers that teach each other in rounds, through a broker (docs/exchange-protocol.md)."""

import json
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from m2kt.agent.child import run_child
from m2kt.cli.bars import bars
from m2kt.cli.remote import BrokerOption, KeyOption, Output, OutputOption, TrustOption, connect, show_facts, show_rows
from m2kt.errors import ExchangeOver, UsageError
from m2kt.exchange import RoundPlan

app = typer.Typer(no_args_is_help=True, help="Let models teach each other.")

COLUMNS = ("id", "task_name", "state", "round", "rounds", "phase", "opened_by", "created")
TURNS = ("peer", "posted", "taught", "packet_id", "packet_state", "usable", "report", "dropped")

ExchangeId = Annotated[UUID, typer.Argument(help="The exchange's id, as `m2kt exchange list` shows it.")]
Factory = Annotated[str, typer.Option(help="Peer factory: module:function, or a name registered under m2kt.peers.")]
Settings = Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="JSON file for the factory.")]


@app.command()
def describe(
    peer: Factory,
    name: Annotated[str, typer.Option(help="Name of the peer to make, as the broker knows it.")],
    settings: Settings = None,
) -> None:
    """Print the task of a peer factory as `open` wants it: names of classes, digests of samples and labels."""
    spec = {"peer": peer, "name": name, "settings": _read(settings) if settings else {}}
    typer.echo(json.dumps(run_child("student_agent", "describe", spec), indent=2))


@app.command("open")
def open_exchange(
    task: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="What `m2kt exchange describe` printed.")],
    broker: BrokerOption,
    key: KeyOption,
    rounds: Annotated[int, typer.Option(min=1, help="How many rounds.")],
    samples_per_round: Annotated[int, typer.Option(min=1, help="How many samples a round takes.")],
    steps_per_round: Annotated[int, typer.Option(min=1, help="Optimiser steps in a round.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Draws the rounds' samples.")] = 0,
    tau: Annotated[float, typer.Option(help="Temperature of the exchange's term.")] = 1.0,
    task_weight: Annotated[float, typer.Option(help="Weight of the task loss.")] = 1.0,
    invite: Annotated[list[str] | None, typer.Option(help="An agent's name; without any, whoever may join.")] = None,
    least: Annotated[int, typer.Option(min=2, max=64, help="Fewer peers than this, and it fails.")] = 2,
    most: Annotated[int, typer.Option(min=2, max=64, help="Where nobody is invited: it begins with so many.")] = 64,
    join_seconds: Annotated[float, typer.Option(help="How long peers may join.")] = 600,
    phase_seconds: Annotated[float, typer.Option(help="How long each phase of a round waits for the late.")] = 120,
    output: OutputOption = Output.TABLE,
) -> None:
    """Open an exchange: a task, a round plan, and who is invited."""
    plan = RoundPlan(seed, rounds, samples_per_round, steps_per_round, tau, task_weight)
    terms: dict[str, Any] = {"least": least, "most": most, "join_seconds": join_seconds, "phase_seconds": phase_seconds}
    if invite:
        terms["invited"] = invite
    with closing(connect(broker, key)) as client:
        show_facts(client.open_exchange(_read(task), plan, **terms), output)


@app.command("list")
def list_exchanges(
    broker: BrokerOption,
    state: Annotated[str | None, typer.Option(help="open, running, finished or failed.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    output: OutputOption = Output.TABLE,
) -> None:
    """List exchanges, newest first."""
    with closing(connect(broker)) as client:
        show_rows(islice(client.exchanges(state=state, limit=min(limit, 200)), limit), COLUMNS, output)


@app.command()
def show(exchange_id: ExchangeId, broker: BrokerOption, output: OutputOption = Output.TABLE) -> None:
    """Show an exchange: its state and why, its peers, its present round."""
    with closing(connect(broker)) as client:
        show_facts(client.exchange(exchange_id), output)


@app.command("round")
def show_round(
    exchange_id: ExchangeId,
    number: Annotated[int, typer.Argument(min=0, help="Counted from 0.")],
    broker: BrokerOption,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show what each peer did in a round; complaints with -o json."""
    with closing(connect(broker)) as client:
        found = client.exchange_round(exchange_id, number)
    if output is Output.JSON:
        show_facts(found, output)
    else:
        show_rows(found["turns"], TURNS, output)


@app.command()
def join(
    exchange_id: ExchangeId,
    broker: BrokerOption,
    key: KeyOption,
    trust: TrustOption,
    peer: Factory,
    state: Annotated[Path, typer.Option(help="Directory of the checkpoint; a peer that was killed goes on from it.")],
    settings: Settings = None,
    out: Annotated[Path | None, typer.Option(help="File for the weights at the end (safetensors).")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads; one is best beside other work.")] = None,
    log: Annotated[Path, typer.Option(help="Log of the peer's process.")] = Path("exchange.log"),
) -> None:
    """Take part until the exchange ends. Inputs, labels and weights stay here."""
    spec: dict[str, Any] = {
        "exchange": str(exchange_id),
        "broker": broker,
        "key": str(key.absolute()),
        "trust": str(trust.absolute()),
        "peer": peer,
        "state": str(state.absolute()),
        "settings": _read(settings) if settings else {},
    }
    spec |= {"out": str(out.absolute())} if out else {}
    spec |= {"threads": threads} if threads else {}
    with bars() as show_progress:
        found = run_child("student_agent", "exchange", spec, on_progress=show_progress, log=log)
    typer.echo(f"{found['state']}: {found['reason']}")


@app.command()
def leave(
    exchange_id: ExchangeId,
    broker: BrokerOption,
    key: KeyOption,
    reason: Annotated[str, typer.Option(help="Why; the others read it.")] = "its operator took it out",
) -> None:
    """Take an agent out of an exchange; the others go on while two are left."""
    with closing(connect(broker, key)) as client:
        _tell(client.leave_exchange(exchange_id, reason))


@app.command()
def cancel(exchange_id: ExchangeId, broker: BrokerOption, key: KeyOption) -> None:
    """End an exchange; for who opened it, and administrators."""
    with closing(connect(broker, key)) as client:
        _tell(client.cancel_exchange(exchange_id))


@app.command()
def wait(
    exchange_id: ExchangeId,
    broker: BrokerOption,
    seconds: Annotated[float, typer.Option(min=0, help="How long at most.")] = 3600,
) -> None:
    """Wait for the end of an exchange; a failed one is an error that says why."""
    with closing(connect(broker)) as client:
        found = client.wait_for_exchange(exchange_id, seconds)
    _tell(found)
    if found["state"] == "failed":
        raise ExchangeOver(f"exchange {exchange_id} failed: {found['reason']}")


def _tell(found: dict[str, Any]) -> None:
    why = f": {found['reason']}" if found["reason"] else ""
    typer.echo(f"exchange {found['id']} is {found['state']}{why}")


def _read(path: Path) -> dict[str, Any]:
    """The JSON object in a file."""
    try:
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{path} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise UsageError(f"{path} must hold a JSON object")
    return found
