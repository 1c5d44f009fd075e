"""Inputs that have broken other brokers: never a 500, always a problem, never an echo."""

import json

import pytest

from broker.services import jobs

pytestmark = pytest.mark.usefixtures("enrolled")

JSON = {"Content-Type": "application/json"}
DEEP = b'{"kind": "noop", "spec": ' + b'{"a":' * 50 + b"1" + b"}" * 50 + b"}"
VERY_DEEP = b'{"kind": "noop", "spec": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@pytest.mark.parametrize(
    "body",
    [
        b'{"kind": "noop", "spec": {"a": NaN}}',
        b'{"kind": "noop", "spec": {"a": -Infinity}}',
        b'{"kind": "noop", "spec": {"a": 1e400}}',
        b'{"kind": "noop", "spec": {"a": "\\u0000"}}',
        b'{"kind": "noop", "spec": {"\\u0000": 1}}',
        b'{"kind": "noop", "spec": {"a": "\\ud800"}}',
        b'{"kind": "noop", "spec": {"a": 9223372036854775808}}',
        b'{"kind": "noop", "spec": {"a": ' + b"9" * 5000 + b"}}",
        b'{"kind": "noop", "spec": {"a": [' + b"0," * 20_000 + b"0]}}",
        b'{"kind": "noop", "spec": []}',
        b'{"kind": "noop", "unknown": 1}',
        b'{"kind": NaN}',
        b'{"kind": "scan"}',
        b'{"kind": "\\u0000"}',
        b'{"\\ud800": 1}',
        b"NaN",
        b"[]",
        b"null",
        b"",
        b"\xff\xfe",
        b"{",
        DEEP,
        VERY_DEEP,
    ],
)
def test_json_that_cannot_be_kept_is_refused(body, keys, sign):
    answer = sign(keys.teacher, "POST", "/v1/jobs", body, JSON)
    assert answer.status_code in (400, 422), answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert set(answer.json()) >= {"type", "title", "status", "detail", "hint", "code"}


def test_what_can_be_kept_is_kept(keys, sign, http):
    spec = {"a": [1, -(2**63) + 1, 1.5, None, True, "é\n"], "b": {}}
    answer = sign(keys.teacher, "POST", "/v1/jobs", json.dumps({"kind": "noop", "spec": spec}).encode(), JSON)
    assert answer.status_code == 201
    assert http.get(answer.headers["Location"]).json()["spec"] == spec


@pytest.mark.parametrize(
    "path",
    [
        "/v1/packets/%00",
        "/v1/packets/sha256:abc",
        f"/v1/packets/sha256:{'A' * 64}",
        f"/v1/packets/sha256:{'0' * 64}%0a",
        "/v1/packets?limit=99999999999999999999",
        "/v1/packets?limit=0",
        "/v1/packets?cursor=9223372036854775808",
        "/v1/packets?cursor=-1",
        "/v1/packets?cursor=x",
        "/v1/packets?state=unknown",
        "/v1/packets?name=%00",
        "/v1/packets?name=%ff",
        "/v1/packets?domain=%00",
        "/v1/names/%00/versions",
        "/v1/names/../../etc/versions",
        "/v1/jobs/1",
        "/v1/jobs?kind=%00",
        "/v1/agents?cursor=1e400",
    ],
)
def test_odd_addresses_are_refused_or_not_found(path, http):
    answer = http.get(path)
    assert answer.status_code in (404, 422), answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("method", "path", "status"), [("PUT", "/v1/packets", 405), ("GET", "/v2", 404), ("TRACE", "/", 405)]
)
def test_unknown_routes_and_methods_are_problems(method, path, status, http):
    answer = http.request(method, path)
    assert (answer.status_code, answer.json()["status"]) == (status, status)


def test_an_agent_with_an_odd_name_role_or_key_is_refused(keys, sign):
    good = {"name": "bob", "role": "teacher", "public_key": "ed25519:" + "A" * 43 + "="}
    for change in (
        {"name": "../bob"},
        {"name": ""},
        {"name": "b" * 65},
        {"name": "bob\n"},
        {"role": "king"},
        {"public_key": "ed25519:AAAA"},
        {"public_key": "rsa:x"},
        {},  # all zeros: a point of small order
    ):
        answer = sign(keys.admin, "POST", "/v1/agents", json.dumps({**good, **change}).encode(), JSON)
        assert answer.status_code in (400, 422), change


def test_a_reason_has_one_line(client_of, keys, signed, sign):
    packet_id = client_of(keys.teacher).publish(signed)["packet_id"]
    for reason in ("", "a\nb", "a\x00", "\ud800", "x" * 513):
        body = json.dumps({"reason": reason}).encode()
        assert sign(keys.teacher, "POST", f"/v1/packets/{packet_id}/revoke", body, JSON).status_code == 422


def test_a_defect_is_a_500_problem_without_a_traceback(http, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("secret detail")

    monkeypatch.setattr(jobs, "page", broken)
    answer = http.get("/v1/jobs")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "secret" not in answer.text
