"""``m2kt log``: looking after a broker's transparency log, and being a witness of it."""

import time
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from m2kt.cli.audit import FormerOption, RootOption, audited, reseal, tell
from m2kt.cli.audit import audit as audit_database
from m2kt.cli.remote import BrokerOption, Output, OutputOption
from m2kt.client import Client, LogRules
from m2kt.client.audit import audit
from m2kt.errors import Unavailable, UsageError
from m2kt.log import Memory, NoteKey, Witness
from m2kt.log.checkpoints import MAX_AGE_SECONDS, is_origin
from m2kt.log.service import WitnessServer
from m2kt.signing.keys import PublicKey, TrustStore, load_private, load_public

app = typer.Typer(no_args_is_help=True, help="Verify, monitor and witness a broker's transparency log.")
app.command("audit")(audit_database)
app.command()(reseal)

LOOPBACK = "127.0.0.1"
_VERDICT = "this broker does not show what it signed and logged"

TrustOption = Annotated[Path, typer.Option("--trust", exists=True, help="The broker's public key, or a directory.")]
KeyOption = Annotated[
    Path | None, typer.Option("--key", envvar="M2KT_KEY", help="Key of an agent that may pull: checks contents, too.")
]
WitnessOption = Annotated[
    list[str] | None, typer.Option("--witness", help="Verifier key of a witness; may be given several times.")
]
QuorumOption = Annotated[int, typer.Option(min=0, help="How many of the witnesses must have cosigned.")]
AgeOption = Annotated[int, typer.Option(min=1, help="Seconds that the newest checkpoint may be old.")]


@app.command()
def verify(
    broker: BrokerOption,
    trust: TrustOption,
    key: KeyOption = None,
    witness: WitnessOption = None,
    quorum: QuorumOption = 0,
    max_age: AgeOption = MAX_AGE_SECONDS,
    output: OutputOption = Output.TABLE,
) -> None:
    """Derive the log's root from all its entries and tiles, and compare everything that the broker shows with it."""
    rules = LogRules(max_age=max_age, witnesses=_witnesses(witness), quorum=quorum)
    with closing(_client(broker, trust, key)) as client:
        tell(audit(client, rules, contents=key is not None), output, _VERDICT)


@app.command()
def monitor(
    broker: BrokerOption,
    trust: TrustOption,
    state: Annotated[Path, typer.Option(help="Directory in which the last checkpoint is kept.")],
    key: KeyOption = None,
    witness: WitnessOption = None,
    quorum: QuorumOption = 0,
    max_age: AgeOption = MAX_AGE_SECONDS,
    every: Annotated[int, typer.Option(min=1, help="Seconds between two looks.")] = 300,
    once: Annotated[bool, typer.Option("--once", help="Look once, against what is remembered.")] = False,
    database: Annotated[
        bool, typer.Option("--database", help="Audit every row, too: where the broker's key is.")
    ] = False,
    root: RootOption = None,
    former_key: FormerOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Verify again and again, and against what was seen before: freeze, rollback and split view. Ends at a finding."""
    if not database and (root or former_key):
        raise UsageError("--root and --former-key are for --database", hint="Add --database, or leave them out.")
    rules = LogRules(max_age=max_age, witnesses=_witnesses(witness), quorum=quorum, memory=Memory(state))
    with closing(_client(broker, trust, key)) as client:
        while True:
            try:
                report = audit(client, rules, contents=key is not None)
                if database:
                    report.include(audited(root, former_key), "database")
                tell(report, output, _VERDICT)
            except Unavailable as error:
                if once:
                    raise
                typer.echo(f"waiting: {error.detail}", err=True)
            if once:
                return
            time.sleep(every)


@app.command()
def witness(
    name: Annotated[str, typer.Option(help="The witness's name, like witness.example.org/w1.")],
    key: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="Its private key file.")],
    state: Annotated[Path, typer.Option(help="Directory in which it keeps the last checkpoint of each log.")],
    log: Annotated[list[str], typer.Option(help="A log: ORIGIN=PUBLIC_KEY_FILE; may be given several times.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="Any free one if 0.")] = 0,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = LOOPBACK,
) -> None:
    """Cosign checkpoints of logs (C2SP tlog-witness) until interrupted; prints what a broker needs to ask it."""
    if not is_origin(name):
        raise UsageError(f"{name!a} is no name for a witness: it holds spaces, '+', or nothing")
    watcher = Witness(name, load_private(key), _logs(log), state, lambda: int(time.time()))
    with WitnessServer((host, port), watcher) as server:
        typer.echo(f"{watcher.verifier.text} http://{host}:{server.server_address[1]}")
        server.serve_forever()


def _client(broker: str, trust: Path, key: Path | None) -> Client:
    return Client(broker, load_private(key) if key else None, TrustStore.from_path(trust))


def _witnesses(texts: list[str] | None) -> tuple[NoteKey, ...]:
    return tuple(NoteKey.parse(each) for each in texts or ())


def _logs(texts: list[str]) -> dict[str, list[PublicKey]]:
    """Several keys of one log are several entries with its name."""
    found: dict[str, list[PublicKey]] = {}
    for each in texts:
        origin, equals, path = each.partition("=")
        if not equals or not is_origin(origin):
            raise UsageError(
                "a log is written ORIGIN=PUBLIC_KEY_FILE", hint="/v1/broker says the log_origin of a broker."
            )
        found.setdefault(origin, []).append(load_public(Path(path)))
    return found
