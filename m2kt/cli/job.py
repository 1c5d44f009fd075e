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

from m2kt.cli.remote import BrokerOption, KeyOption, Output, OutputOption, connect, show_facts, show_rows
from m2kt.errors import UsageError, by_code

app = typer.Typer(no_args_is_help=True, help="Start jobs and follow them.")

COLUMNS = ("id", "kind", "state", "submitter", "attempt", "created", "finished")

JobId = Annotated[UUID, typer.Argument(help="The job's id, as `m2kt job list` shows it.")]


class Kind(StrEnum):
    """Jobs that may be ordered; docs/broker.md has the fields of each one's specification."""

    EXTRACT = "extract"
    ALIGN = "align"
    NOOP = "noop"


@app.command()
def submit(
    kind: Kind,
    broker: BrokerOption,
    key: KeyOption,
    spec: Annotated[str, typer.Option(help="JSON file with the job's specification; - reads stdin.")] = "",
    wait: Annotated[float, typer.Option(min=0, help="Wait this many seconds for its end.")] = 0,
    output: OutputOption = Output.TABLE,
) -> None:
    """Order a job. With --wait, exit as the job did."""
    order = _read_spec(spec) if spec else {}
    with closing(connect(broker, key)) as client:
        found = client.submit_job(kind.value, order)
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
