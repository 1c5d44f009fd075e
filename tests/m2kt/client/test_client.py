"""What the SDK makes of a broker that is slow, absent, confused or lying; tests/broker has it speak to a real one."""

import json

import httpx
import pytest

from m2kt.client import Client
from m2kt.errors import BrokerAway, Conflict, DigestMismatch, M2KTError, RequestUnsigned, Unavailable
from m2kt.signing.keys import generate

URL = "http://broker.test"
PROBLEM = {"code": "conflict", "detail": "taken", "hint": "another name", "status": 409}


class Scripted(httpx.BaseTransport):
    """Answers each request with the next item: a response, or an exception to raise."""

    def __init__(self, *script: httpx.Response | Exception) -> None:
        self.script = list(script)
        self.seen: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        item = self.script.pop(0)
        if isinstance(item, Exception):
            raise item
        return item


def client(*script: httpx.Response | Exception) -> tuple[Client, Scripted]:
    transport = Scripted(*script)
    return Client(URL, generate(), transport=transport), transport


def test_a_problem_becomes_the_error_that_it_names():
    sdk, _ = client(httpx.Response(409, json=PROBLEM))
    with pytest.raises(Conflict) as caught:
        sdk.broker()
    assert (caught.value.detail, caught.value.hint) == ("taken", "another name")


def test_faults_of_a_problem_are_named_in_its_detail():
    sdk, _ = client(httpx.Response(422, json={**PROBLEM, "errors": [{"where": "body.kind", "what": "unknown"}]}))
    with pytest.raises(Conflict, match=r"taken; body\.kind: unknown"):
        sdk.broker()


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'"x"', json.dumps({"code": "x"}).encode()])
def test_an_error_without_a_problem_says_its_status(body):
    sdk, _ = client(httpx.Response(500, content=body))
    with pytest.raises(M2KTError, match="500"):
        sdk.broker()
    sdk, _ = client(httpx.Response(502, content=body))
    with pytest.raises(BrokerAway):
        sdk.broker()


@pytest.mark.parametrize(
    "error", [httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), httpx.RemoteProtocolError("eof")]
)
def test_a_lost_connection_is_an_absent_broker(error):
    sdk, _ = client(error)
    with pytest.raises(BrokerAway, match=r"broker\.test"):
        sdk.broker()


def test_another_program_at_that_address_is_no_broker():
    for answer in (httpx.Response(200, content=b"<html>"), httpx.Response(200, json=[])):
        sdk, _ = client(answer)
        with pytest.raises(BrokerAway):
            sdk.broker()


def test_publishing_survives_a_lost_connection_with_a_new_nonce_each_time():
    sdk, transport = client(
        httpx.ReadError("lost"),
        httpx.Response(503, json={**PROBLEM, "code": "database-away"}),
        httpx.Response(200, json={}),
    )
    assert sdk.publish(b"data") == {}
    assert len({each.headers["Signature-Input"] for each in transport.seen}) == 3


def test_publishing_gives_up_after_three_attempts_and_never_repeats_a_refusal():
    sdk, _ = client(*[httpx.ConnectError("refused")] * 3)
    with pytest.raises(BrokerAway):
        sdk.publish(b"data")
    sdk, transport = client(httpx.Response(409, json=PROBLEM))
    with pytest.raises(Conflict):
        sdk.publish(b"data")
    assert len(transport.seen) == 1


def test_bytes_that_are_not_those_that_were_sent_are_refused():
    for headers in ({}, {"Content-Digest": "sha-256=:" + "A" * 43 + "=:"}):
        sdk, _ = client(httpx.Response(200, content=b"bytes", headers=headers))
        with pytest.raises(DigestMismatch):
            sdk.fetch(f"sha256:{'0' * 64}")


def test_a_call_that_must_be_signed_needs_a_key():
    with pytest.raises(RequestUnsigned, match="needs a key"):
        Client(URL, transport=Scripted()).submit_job("noop", {})


def test_waiting_ends_and_says_what_it_saw():
    waiting = {"state": "scanning", "reason": "its scan was inconclusive"}
    sdk, _ = client(*[httpx.Response(200, json=waiting) for _ in range(9)])
    with pytest.raises(Unavailable, match=r"is scanning \(its scan was inconclusive\) and not approved after 0\.2 s"):
        sdk.wait_for_state(f"sha256:{'0' * 64}", {"approved"}, 0.2)


def test_a_list_follows_its_links():
    first = httpx.Response(200, json={"items": [{"n": 1}]}, headers={"Link": '</v1/packets?cursor=1>; rel="next"'})
    sdk, transport = client(first, httpx.Response(200, json={"items": [{"n": 2}]}))
    assert [each["n"] for each in sdk.list()] == [1, 2]
    assert str(transport.seen[1].url) == f"{URL}/v1/packets?cursor=1"
