"""Schemathesis holds the broker to its own OpenAPI document: whatever is sent, right or wrong, no answer is a server
error, and none has a status, type, header or body that the document does not name.

Requests are signed, by an administrator, a teacher or a student, and go through the application without a socket, over
a real Postgres. They are stateful in this way: everything happens to one database, whatever identifiers an answer names
are fed into the paths of later requests, and there is a packet, a job and an upload to begin with. Seeded.
"""

import json
import os
import random
import re
import time
from collections import Counter
from datetime import timedelta
from hashlib import sha256

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, seed
from hypothesis import settings as hypothesis_settings
from sqlalchemy import text

from broker.main import create_app
from m2kt.signing import sign_packet
from m2kt.signing.http import new_nonce, sign_request
from tests.broker.conftest import URL, AppTransport, make_packet

pytestmark = pytest.mark.usefixtures("enrolled")

STREAMS = "/v1/jobs/{job_id}/events"
"""An answer that ends when the job does; only jobs that do not exist are asked for it here."""

BINARY = ("application/vnd.m2kt.packet", "application/partial-upload", "application/vnd.dsse.envelope.v1+json")

PUBLISHED = 0.1
"""Share of bodies of packets that are a packet."""


class Fuzz:
    """One database, one application, and what answers have named so far."""

    def __init__(self, app, http, keys, dice):
        import schemathesis

        for each in BINARY:
            schemathesis.serializer.alias(each, "application/octet-stream")
        self.schema = schemathesis.openapi.from_dict(app.openapi())
        self.http, self.keys, self.dice = http, [keys.admin, keys.admin, keys.teacher, keys.student], dice
        self.known: dict[str, list[str]] = {}
        self.sent: Counter[int] = Counter()
        self.teacher = keys.teacher
        self.faults: set[str] = set()

    def operations(self):
        return [each.ok() for each in self.schema.get_all_operations()]

    def try_out(self, operation, mode, examples):
        strategy = operation.as_strategy(generation_mode=mode)

        @seed(7)
        @hypothesis_settings(
            max_examples=examples,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=strategy)
        def one(case):
            self.send(case)

        one()

    def send(self, case):
        from schemathesis.core.failures import FailureGroup

        self._steer(case)
        request = self._request(case)
        response = self.http.send(request)
        self.sent[response.status_code] += 1
        self._remember(response)
        response.elapsed = timedelta()  # our transport has no clock
        try:
            case.validate_response(response, checks=checks())
        except FailureGroup as error:
            faults = " / ".join(f"{each.title}: {each.message}" for each in error.exceptions)
            self.faults.add(f"{case.method} {case.operation.path} {response.status_code}: {faults[:600]}")

    def _steer(self, case):
        """Every other path names something that is there."""
        for name in case.path_parameters or {}:
            values = self.known.get(name)
            if values and self.dice.random() < 0.5 and case.operation.path != STREAMS:
                case.path_parameters[name] = self.dice.choice(values)

    def _request(self, case):
        told = case.as_transport_kwargs(base_url=URL)
        allowed = ("method", "url", "params", "headers", "json", "content", "data", "files", "cookies")
        words = {name: each for name, each in told.items() if name in allowed and each is not None}
        if isinstance(words.get("data"), bytes | str):
            words["content"] = words.pop("data")
        if case.operation.path == "/v1/packets" and case.method == "POST" and self.dice.random() < PUBLISHED:
            words["content"] = sign_packet(make_packet(version=f"9.0.{self.sent.total()}"), self.teacher)
        words["headers"] = {each: _latin(value) for each, value in dict(words.get("headers") or {}).items()}
        request = self.http.build_request(**words)
        digest, host = sha256(request.read()).digest(), {"Host": request.headers["Host"]}
        key = self.dice.choice(self.keys)
        signed = sign_request(request.method, str(request.url), host, digest, key, int(time.time()), new_nonce())
        request.headers.update(signed)
        return request

    def _remember(self, response):
        if response.status_code not in (200, 201) or "json" not in response.headers.get("Content-Type", ""):
            return
        body = response.json()
        if not isinstance(body, dict):
            return
        path = response.request.url.path
        for noun, parameter in (("uploads", "upload_id"), ("jobs", "job_id")):
            if path == f"/v1/{noun}" and "id" in body:
                self._know(parameter, str(body["id"]))
        for name in ("packet_id", "name"):
            if isinstance(body.get(name), str):
                self._know(name, body[name])

    def _know(self, name, value):
        values = self.known.setdefault(name, [])
        if value not in values:
            values.append(value)
            del values[:-50]


def _latin(value):
    """Headers that no HTTP client would send are not the subject."""
    kept = re.sub(r"[^\x20-\x7e\x80-\xff]", "", str(value)).strip()
    return kept.encode("latin-1")


def checks():
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks as openapi

    return [
        not_a_server_error,
        openapi.status_code_conformance,
        openapi.content_type_conformance,
        openapi.response_headers_conformance,
        openapi.response_schema_conformance,
    ]


@pytest.fixture
def fuzz(settings, sessions, portal, keys, signed, client_of, session, run_log):
    app = create_app(settings.model_copy(update={"requests_per_minute": 0}), sessions=sessions)
    client = client_of(keys.teacher)
    packet_id = client.publish(signed)["packet_id"]
    session.execute(text("UPDATE packets SET state = 'approved'"))
    session.commit()
    run_log()
    with httpx.Client(base_url=URL, transport=AppTransport(app, portal)) as http:
        found = Fuzz(app, http, keys, random.Random(3))
        found._know("packet_id", packet_id)
        found._know("name", "ada")
        found._know("job_id", client.submit_job("noop", {})["id"])
        yield found


def held(fuzz, examples):
    from schemathesis import GenerationMode

    operations = fuzz.operations()
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
        for operation in operations:
            if mode == GenerationMode.NEGATIVE and not _negatable(operation):
                continue
            fuzz.try_out(operation, mode, examples)
    return fuzz.sent


def _negatable(operation):
    """Nothing can be wrong about a request without parameters and body."""
    return bool(list(operation.iter_parameters())) or bool(list(operation.body))


def test_a_share_of_the_fuzzing_finds_nothing(fuzz):
    sent = held(fuzz, int(os.environ.get("M2KT_FUZZ_EXAMPLES", "2")))
    assert not fuzz.faults, "\n".join(sorted(fuzz.faults))
    assert {200, 201, 404, 422} <= set(sent), sent


@pytest.mark.nightly
@pytest.mark.timeout(7200)
def test_twenty_thousand_requests_find_nothing(fuzz, capsys):
    sent = held(fuzz, 280)
    with capsys.disabled():
        print(json.dumps({"requests": sent.total(), **{str(each): count for each, count in sorted(sent.items())}}))
    assert sent.total() >= 20_000
    assert not fuzz.faults, "\n".join(sorted(fuzz.faults))
