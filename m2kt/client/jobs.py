"""Jobs: order and follow them, or lease them and do the work. Part of `m2kt.client.Client`."""

import json
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import httpx

from m2kt.client.paging import Calls
from m2kt.client.transport import Json, json_of
from m2kt.errors import Unavailable

FINISHED = frozenset({"succeeded", "failed", "cancelled", "dead"})
RETRY_SECONDS = 1.0

JobId = str | uuid.UUID


class JobCalls(Calls):
    """The calls about jobs and leases."""

    def submit_job(self, kind: str, spec: Json, *, idempotency_key: str | None = None, **terms: Any) -> Json:
        """Order a job. ``terms`` are the other fields of the order: ``priority``, ``labels``, ``dedup_key``,
        ``not_before``, ``needs``, ``limit_seconds``, ``max_attempts`` (docs/jobs.md). With a key of your own the same
        order can be sent again after a lost answer."""
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else None
        body = {"kind": kind, "spec": spec, **terms}
        return json_of(self._transport.send("POST", "/v1/jobs", json=body, headers=headers, signed=True))

    def job(self, job_id: JobId) -> Json:
        return self._transport.get(f"/v1/jobs/{job_id}")

    def jobs(self, *, state: str | None = None, kind: str | None = None, limit: int = 50) -> Iterator[Json]:
        return self._items("/v1/jobs", {"state": state, "kind": kind, "limit": limit})

    def cancel_job(self, job_id: JobId) -> Json:
        return self._transport.post(f"/v1/jobs/{job_id}/cancel")

    def retry_job(self, job_id: JobId) -> Json:
        """Queue a job that failed, died or was cancelled once more."""
        return self._transport.post(f"/v1/jobs/{job_id}/retry")

    def job_log(self, job_id: JobId, *, attempt: int | None = None, tail: int | None = None) -> str:
        """The end of an attempt's log, the last attempt's by default; ``tail`` in bytes."""
        params = {"attempt": attempt, "tail": tail}
        response = self._transport.send("GET", f"/v1/jobs/{job_id}/logs", params=params, signed=True)
        return response.content.decode(errors="replace")

    def wait_for_job(self, job_id: JobId, timeout: float = 60.0) -> Json:
        """The job, as soon as it has ended, however it ended."""
        return self._wait(lambda: self.job(job_id), FINISHED, timeout, f"job {job_id}")

    def follow_job(self, job_id: JobId, *, patience: float = 30.0) -> Iterator[Json]:
        """Events of a job until it has ended: ``{"event": ..., **data}``, the last is ``end`` with the job itself.

        Comes back where it was when the stream breaks; `BrokerAway` when that fails for ``patience`` seconds.
        """
        last, heard = 0, time.monotonic()
        while True:
            try:
                for number, name, data in self._stream(job_id, last):
                    last, heard = number or last, time.monotonic()
                    yield {"event": name, **data}
                    if name == "end":
                        return
                heard = time.monotonic()  # the broker ends a stream now and then
            except Unavailable:
                if time.monotonic() - heard > patience:
                    raise
            time.sleep(RETRY_SECONDS)

    def _stream(self, job_id: JobId, last: int) -> Iterator[tuple[int | None, str, Json]]:
        headers = {"Last-Event-ID": str(last)}
        with self._transport.stream(f"/v1/jobs/{job_id}/events", headers) as response:
            yield from parse_events(response.iter_lines())

    # Leases

    def lease_job(self, session: str, kinds: Sequence[str], **offer: Any) -> Json | None:
        """Take the next job of these kinds; None when nothing is due. ``session`` is random, one for each start.
        ``offer``: ``gpu``, ``memory_mib``, ``models``, ``site``."""
        body = {"session": session, "kinds": list(kinds), **offer}
        response = self._transport.send("POST", "/v1/leases", json=body, signed=True)
        return None if response.status_code == httpx.codes.NO_CONTENT else json_of(response)

    def heartbeat(self, session: str, held: Sequence[Mapping[str, Any]]) -> Json:
        """Renew ``held`` (``{"job", "fence"}``, optional ``progress``, ``log``); stop what ``orders`` names at once."""
        return self._transport.post("/v1/leases/heartbeat", {"session": session, "held": [dict(each) for each in held]})

    def finish_job(self, lease: Json, session: str, outcome: str, **said: Any) -> Json:
        """Say how a leased job ended: ``succeeded``, ``failed`` or ``broke``; ``result``, ``error``, ``log``.
        `LeaseLost` when it is another's by now; saying it again changes nothing."""
        body = {"session": session, "fence": lease["fence"], "outcome": outcome, **said}
        return self._transport.post(f"/v1/leases/{lease['job']}/finish", body)

    def release_job(self, lease: Json, session: str, *, reason: str | None = None, seconds: float = 0.0) -> Json:
        """Give a leased job back unharmed; ``seconds`` later it is due again."""
        why = {"reason": reason} if reason else {}
        body = {"session": session, "fence": lease["fence"], "seconds": seconds, **why}
        return self._transport.post(f"/v1/leases/{lease['job']}/release", body)


def parse_events(lines: Iterator[str]) -> Iterator[tuple[int | None, str, Json]]:
    """Server-sent events as ``(id, name, data)``; what is not ours to know is passed over."""
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        elif "data" in fields:
            number = fields.get("id", "")
            yield (
                (int(number) if number.isdecimal() else None),
                fields.get("event", "message"),
                json.loads(fields["data"]),
            )
            fields = {}
        else:
            fields = {}
