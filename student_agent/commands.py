"""The student's command line: taking packets, giving them back, exchanging, and seeing what the student says."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from m2kt.agent.child import Progress
from m2kt.agent.config import configure
from m2kt.agent.daemon import log_to_stderr
from m2kt.cli.bars import bars
from m2kt.cli.encoders import read_settings
from m2kt.errors import UsageError
from m2kt.signing.keys import TrustStore, load_private
from student_agent import consolidating, daemon, static_commands
from student_agent.activation import State
from student_agent.config import Config
from student_agent.heads import Heads
from student_agent.recall import obey
from student_agent.service import take_from_broker
from student_agent.take import Decision, Policy, Student

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Take knowledge packets into a model.")

Model = Annotated[Path, typer.Option(help="Hugging Face directory of the student; it is never written.")]
StateDir = Annotated[Path, typer.Option(help="Where this student keeps the packets that it took.")]
Broker = Annotated[str, typer.Option(help="URL of the broker.")]
Key = Annotated[Path, typer.Option(help="Private key of this agent (mode 0600).")]
Trust = Annotated[Path, typer.Option(help="Directory of public keys: the teachers' and the broker's.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")]


@app.callback()
def _root() -> None:
    """Take knowledge packets into a model. `align`, `ground`, `consolidate`, `verify`, `logits` alone read a job from
    stdin."""


static_commands.mount(app)


@app.command()
def take(
    packet_id: str,
    model: Model,
    state: StateDir,
    broker: Broker,
    key: Key,
    trust: Trust,
    checks: Annotated[Path | None, typer.Option(help="Sealed checks (JSON lines) to verify behaviour with.")] = None,
    general: Annotated[
        Path | None, typer.Option(help="Text outside the domain, to see that nothing is harmed.")
    ] = None,
    delta: Annotated[float, typer.Option(help="Least proven gain in accuracy.")] = Policy.delta,
    activate_unverified: Annotated[bool, typer.Option(help="Activate without checks.")] = False,
    without_log: Annotated[bool, typer.Option(help="Take also what the broker's log does not hold.")] = False,
    allow_same_family: Annotated[
        list[str] | None, typer.Option(help="A packet name or base family to take although it is the student's own.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Alignment steps.", min=1)] = None,
    cal: Annotated[str, typer.Option(help="Form of the map: linear, low-rank, mlp or attention.")] = "linear",
    deny: Annotated[list[str] | None, typer.Option(help="A symbol that no concept may say; repeatable.")] = None,
    domain: Annotated[str | None, typer.Option(help="Take packets of this domain only: NAME or NAME@VERSION.")] = None,
    device: Device = "auto",
    threads: Annotated[int | None, typer.Option(help="CPU threads; one is best beside other work.", min=1)] = None,
    log: Annotated[Path, typer.Option(help="Log of the child processes.")] = Path("take.log"),
) -> None:
    """Pull a packet, verify, align, check behaviour, then activate it or leave the student as it was; report."""
    alignment = {"cal": {"form": cal}, "deny": deny or []}
    student = Student(model, state, checks, general, device, threads, {"steps": steps} if steps else {}, alignment)
    policy = Policy(
        delta=delta,
        activate_unverified=activate_unverified,
        require_log=not without_log,
        domain=domain,
        allow_same_family=tuple(allow_same_family or ()),
    )
    with bars() as show:
        outcome = take_from_broker(
            packet_id, broker, load_private(key), TrustStore.from_path(trust), student, policy, show, log
        )
    typer.echo(f"{outcome.decision}: {outcome.reason}")
    if outcome.decision == Decision.ROLLED_BACK:
        raise typer.Exit(3)


@app.command()
def consolidate(
    packet: Annotated[Path, typer.Argument(help="The packet's file (m2kt packet pull); it must be in force here.")],
    model: Model,
    state: StateDir,
    trust: Trust,
    checks: Annotated[Path | None, typer.Option(help="Sealed checks (JSON lines) to verify behaviour with.")] = None,
    general: Annotated[Path | None, typer.Option(help="Text outside the domain.")] = None,
    delta: Annotated[float, typer.Option(help="Least proven gain in accuracy.")] = Policy.delta,
    regression: Annotated[
        float, typer.Option(help="Most accuracy to lose against the memory.", min=0, max=1)
    ] = Policy.regression,
    activate_unverified: Annotated[bool, typer.Option(help="Activate without checks.")] = False,
    rank: Annotated[int | None, typer.Option(help="Rank of the LoRA matrices.", min=1)] = None,
    steps: Annotated[int | None, typer.Option(help="Training steps.", min=1)] = None,
    device: Device = "auto",
    threads: Annotated[int | None, typer.Option(help="CPU threads; one is best beside other work.", min=1)] = None,
    log: Annotated[Path, typer.Option(help="Log of the child processes.")] = Path("consolidate.log"),
) -> None:
    """Turn the memory of a packet in force into LoRA matrices, if the student does as well with them."""
    student = Student(model, state, checks, general, device, threads)
    policy = Policy(delta=delta, regression=regression, activate_unverified=activate_unverified)
    told = {name: each for name, each in (("rank", rank), ("steps", steps)) if each}
    if rank:
        told["alpha"] = 2 * rank
    with bars() as show:
        outcome = consolidating.consolidate(
            _read(packet), TrustStore.from_path(trust), student, policy, told, show, log
        )
    typer.echo(f"{outcome.decision}: {outcome.reason}")
    if outcome.decision == Decision.ROLLED_BACK:
        raise typer.Exit(3)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", hint="Name a .m2kt file.") from error


@app.command()
def run(
    config: Annotated[Path | None, typer.Option(help="TOML file with these options, written with underscores.")] = None,
    broker: Annotated[str | None, typer.Option(help="URL of the broker.")] = None,
    key: Annotated[Path | None, typer.Option(help="Private key of this agent (mode 0600).")] = None,
    trust: Annotated[
        Path | None, typer.Option(help="Directory of public keys: the teachers' and the broker's.")
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="Hugging Face directory of the student; it is never written.")
    ] = None,
    state: Annotated[Path | None, typer.Option(help="Where this student keeps what it took and decided.")] = None,
    subscribe: Annotated[list[str] | None, typer.Option(help="NAME:CHANNEL to follow; repeatable.")] = None,
    checks: Annotated[Path | None, typer.Option(help="Sealed checks (JSON lines) to verify behaviour with.")] = None,
    general: Annotated[Path | None, typer.Option(help="Text outside the domain.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads.", min=1)] = None,
    poll_seconds: Annotated[float | None, typer.Option(help="Between two looks at the channels.", min=0.05)] = None,
    drain_seconds: Annotated[float | None, typer.Option(help="For what runs, when told to leave.", min=0)] = None,
) -> None:
    """Follow channels until told to leave (TERM): take what is approved, obey recalls, report. docs/daemons.md."""
    given = {name: value for name, value in locals().items() if name != "config" and value != []}
    log_to_stderr()
    daemon.run(configure(Config, config, given))


@app.command()
def recall(state: StateDir, broker: Broker) -> None:
    """Ask the broker about every active packet and remove those that were revoked."""
    removed = obey(State(state), broker)
    typer.echo("\n".join(f"removed {each}" for each in removed) or "nothing was revoked")


@app.command()
def remove(packet_id: str, state: StateDir) -> None:
    """Take a packet out of force; without it the student is, bit for bit, what it was."""
    grounded = any(each.packet_id == packet_id for each in Heads(state).active())
    (Heads(state) if grounded else State(state)).remove(packet_id)
    typer.echo(f"removed {packet_id}")


@app.command("list")
def list_active(state: StateDir) -> None:
    """Packets in force, in order of activation."""
    for each in State(state).active():
        typer.echo("  ".join(asdict(each).values()))
    for head in Heads(state).active():
        typer.echo(f"{head.packet_id}  {head.directory}  head of {head.packet}")


@app.command()
def exchange(
    exchange_id: Annotated[str, typer.Argument(help="The exchange's id.")],
    peer: Annotated[str, typer.Option(help="Peer factory: module:function, or a name registered under m2kt.peers.")],
    state: Annotated[Path, typer.Option(help="Directory of the checkpoint; a peer that was killed goes on from it.")],
    broker: Broker,
    key: Key,
    trust: Trust,
    settings: Annotated[Path | None, typer.Option(help="JSON file for the factory.")] = None,
    out: Annotated[Path | None, typer.Option(help="File for the weights at the end (safetensors).")] = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads; one is best beside other work.", min=1)] = None,
) -> None:
    """Be a peer of an exchange until it ends. `describe` alone reads a job from stdin."""
    from student_agent.exchange import take_part  # loads torch

    spec = {"exchange": exchange_id, "broker": broker, "key": key, "trust": trust, "peer": peer, "state": state}
    given = {"out": out, "threads": threads, "settings": read_settings(settings) if settings else None}
    told = {name: each for name, each in given.items() if each is not None}
    with bars() as show:
        found = take_part({**spec, **told}, lambda done, total: show(Progress("rounds", done, total)))
    typer.echo(f"{found['state']}: {found['reason']}")


@app.command()
def generate(
    prompt: str,
    model: Model,
    state: Annotated[Path | None, typer.Option(help="State directory; without it the bare student speaks.")] = None,
    max_new_tokens: Annotated[int, typer.Option(min=1)] = 96,
    device: Device = "auto",
) -> None:
    """Continue a prompt with the packets that are in force."""
    from student_agent.speak import continue_prompt  # loads torch, which the other commands leave to their children

    typer.echo(prompt + continue_prompt(model, state, prompt, max_new_tokens, device))
