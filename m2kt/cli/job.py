"""``m2kt job``: work that a broker's worker does."""

import json
import sys
from contextlib import closing
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from m2kt.cli.edge import printable
from m2kt.cli.remote import BrokerOption, KeyOption, Output, OutputOption, connect, show_facts, show_rows
from m2kt.errors import UsageError, by_code

app = typer.Typer(no_args_is_help=True, help="Start jobs and follow them.")

COLUMNS = ("id", "kind", "state", "submitter", "attempt", "created", "finished")

JobId = Annotated[UUID, typer.Argument(help="The job's id, as `m2kt job list` shows it.")]


class Kind(StrEnum):
    """Jobs that may be ordered; docs/jobs.md has the fields of each one's specification."""

    EXTRACT = "extract"
    ALIGN = "align"
    VERIFY = "verify"
    AGGREGATE = "aggregate"
    EXCHANGE = "exchange"
    NOOP = "noop"


@app.command()
def submit(
    kind: Kind,
    broker: BrokerOption,
    key: KeyOption,
    spec: Annotated[str, typer.Option(help="JSON file with the job's specification; - reads stdin.")] = "",
    once: Annotated[str, typer.Option(help="A key of yours: the same order is taken once, however often sent.")] = "",
    priority: Annotated[int, typer.Option(min=-100, max=100, help="Higher goes first.")] = 0,
    label: Annotated[list[str] | None, typer.Option(help="gpu, memory_mib=N, model=NAME or site=NAME.")] = None,
    needs: Annotated[list[UUID] | None, typer.Option(help="A job that must succeed first.")] = None,
    limit_seconds: Annotated[float, typer.Option(min=0, help="Longest time for an attempt.")] = 0,
    wait: Annotated[float, typer.Option(min=0, help="Wait this many seconds for its end.")] = 0,
    output: OutputOption = Output.TABLE,
) -> None:
    """Order a job. With --wait, exit as the job did."""
    order = _read_spec(spec) if spec else {}
    terms = {
        "priority": priority,
        "labels": _labels(label or []),
        "needs": [str(each) for each in needs or []],
        "limit_seconds": limit_seconds or None,
    }
    with closing(connect(broker, key)) as client:
        found = client.submit_job(kind.value, order, idempotency_key=once or None, **terms)
        if wait:
            found = client.wait_for_job(found["id"], wait)
    show_facts(found, output)
    if wait:
        _raise_failure(found)


@app.command()
def show(job_id: JobId, broker: BrokerOption, output: OutputOption = Output.TABLE) -> None:
    """Show a job: its state, its progress, and its result or error."""
    with closing(connect(broker)) as client:
        show_facts(client.job(job_id), output)


@app.command("list")
def list_jobs(
    broker: BrokerOption,
    state: Annotated[str | None, typer.Option(help="Only this state.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only this kind; scans are jobs too.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    output: OutputOption = Output.TABLE,
) -> None:
    """List jobs, newest first."""
    with closing(connect(broker)) as client:
        found = client.jobs(state=state, kind=kind, limit=min(limit, 200))
        show_rows(islice(found, limit), COLUMNS, output)


@app.command()
def cancel(job_id: JobId, broker: BrokerOption, key: KeyOption) -> None:
    """Cancel a job that has not ended."""
    with closing(connect(broker, key)) as client:
        found = client.cancel_job(job_id)
    typer.echo(f"{found['kind']} {found['id']} is {found['state']}")


@app.command()
def retry(job_id: JobId, broker: BrokerOption, key: KeyOption) -> None:
    """Queue a job that failed, died or was cancelled once more."""
    with closing(connect(broker, key)) as client:
        found = client.retry_job(job_id)
    typer.echo(f"{found['kind']} {found['id']} is {found['state']}")


@app.command()
def logs(
    job_id: JobId,
    broker: BrokerOption,
    key: KeyOption,
    attempt: Annotated[int | None, typer.Option(min=1, help="Which attempt; the last if left out.")] = None,
    tail: Annotated[int | None, typer.Option(min=1, max=262144, help="Only so many bytes of its end.")] = None,
) -> None:
    """Print the end of an attempt's log (256 KiB; the whole lies on its worker)."""
    with closing(connect(broker, key)) as client:
        typer.echo(printable(client.job_log(job_id, attempt=attempt, tail=tail)), nl=False)


@app.command()
def follow(job_id: JobId, broker: BrokerOption, output: OutputOption = Output.TABLE) -> None:
    """Print a job's events as they come, until it has ended; exit as the job did."""
    job: dict[str, Any] = {}
    with closing(connect(broker)) as client:
        for event in client.follow_job(job_id):
            job = event
            if output is not Output.TABLE:
                typer.echo(json.dumps(event))
            elif event["event"] != "end":
                typer.echo(printable(_told(event)))
    _raise_failure(job)


def _told(event: dict[str, Any]) -> str:
    """One event on one line."""
    name, attempt = event["event"], event["attempt"]
    if name == "progress":
        said = event["progress"]
        return f"attempt {attempt}: {said.get('step')} {said.get('done')}/{said.get('total')}"
    why = " ".join(f"{key}={value}" for key, value in event["detail"].items() if value not in (None, ""))
    return f"{event['at']} attempt {attempt}: {name} {why}".rstrip()


def _labels(words: list[str]) -> dict[str, Any]:
    """Labels as the API has them."""
    found: dict[str, Any] = {}
    for word in words:
        name, given, value = word.partition("=")
        if name == "gpu" and not given:
            found[name] = True
        elif name == "memory_mib" and value.isdecimal():
            found[name] = int(value)
        elif name in ("model", "site") and value:
            found[name] = value
        else:
            raise UsageError(f"{word!r} is no label", hint="Labels are gpu, memory_mib=N, model=NAME and site=NAME.")
    return found


def _read_spec(name: str) -> dict[str, Any]:
    """The JSON object in a file, or on stdin."""
    try:
        spec = json.loads(sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes())
    except OSError as error:
        raise UsageError(f"cannot read {name}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"the specification in {name} is not JSON: {error}") from error
    if not isinstance(spec, dict):
        raise UsageError(f"the specification in {name} must be a JSON object")
    return spec


def _raise_failure(job: dict[str, Any]) -> None:
    if job["state"] == "succeeded":
        return
    error = job["error"] or {}
    hint = error.get("hint") or f"Look at it with `m2kt job show {job['id']}`."
    raise by_code(str(error.get("code")))(f"job {job['id']} is {job['state']}: {error.get('detail')}", hint=hint)
