"""Who may speak: signatures over requests, used once."""

import time

import pytest
from sqlalchemy import func, select, update

from broker.main import create_app
from broker.models import Nonce, Role
from broker.services import agents
from m2kt.errors import RequestUnsigned, UnknownKey
from m2kt.packet import read_packet
from tests.broker.conftest import URL, AppTransport

pytestmark = pytest.mark.usefixtures("enrolled")

NOOP = b'{"kind": "noop", "spec": {}}'
JSON = {"Content-Type": "application/json"}


def test_an_unsigned_request_is_401_with_a_challenge(http):
    answer = http.post("/v1/jobs", json={"kind": "noop"})
    assert (answer.status_code, answer.json()["code"]) == (401, "request-unsigned")
    assert answer.headers["WWW-Authenticate"] == "Signature"


def test_a_request_signed_by_a_stranger_is_403(keys, sign):
    answer = sign(keys.stranger, "POST", "/v1/jobs", NOOP, JSON)
    assert (answer.status_code, answer.json()["code"]) == (403, "key-unknown")


def test_a_request_of_a_revoked_agent_is_refused(client_of, keys, session):
    client_of(keys.admin).revoke_agent("stu")
    with pytest.raises(UnknownKey, match="revoked"):
        client_of(keys.student).submit_job("noop", {})


def test_a_replayed_request_is_refused_by_any_replica(http, keys, sign, settings, sessions, portal):
    kept = []
    first = sign(keys.teacher, "POST", "/v1/jobs", NOOP, JSON, spoil=kept.append)
    assert first.status_code == 201
    again = http.post("/v1/jobs", content=NOOP, headers=kept[0].headers)
    assert (again.status_code, again.json()["code"]) == (401, "request-unsigned")
    replica = AppTransport(create_app(settings, sessions=sessions), portal)
    assert replica.handle_request(kept[0]).status_code == 401


def test_the_nonce_of_a_request_that_failed_stays_used(http, keys, sign):
    kept = []
    assert sign(keys.teacher, "POST", "/v1/jobs", b'{"kind": "scan"}', JSON, spoil=kept.append).status_code == 422
    assert http.post("/v1/jobs", content=b'{"kind": "scan"}', headers=kept[0].headers).status_code == 401


@pytest.mark.parametrize("age", [-300, -66, 66, 300, 10**9])
def test_a_request_of_a_host_whose_clock_is_off_is_refused_and_told_by_how_much(age, keys, sign):
    answer = sign(keys.teacher, "POST", "/v1/jobs", NOOP, JSON, now=int(time.time()) - age)
    assert (answer.status_code, answer.json()["code"]) == (401, "clock-skew")
    off = int(answer.json()["detail"].partition("signed ")[2].split()[0])
    assert abs(off - abs(age)) < 60
    assert "timedatectl" in answer.json()["hint"]


def _other_path(request):
    request.url = request.url.copy_with(path="/v1/agents")


def _other_query(request):
    request.url = request.url.copy_with(query=b"a=b")


def _other_host(request):
    request.headers["Host"] = "other.test"


def _other_digest(request):
    request.headers["Content-Digest"] = "sha-256=:" + "A" * 43 + "=:"


@pytest.mark.parametrize("spoil", [_other_path, _other_query, _other_host, _other_digest])
def test_a_signature_fits_one_request_only(spoil, keys, sign):
    answer = sign(keys.admin, "POST", "/v1/jobs", NOOP, JSON, spoil=spoil)
    assert (answer.status_code, answer.json()["code"]) == (401, "request-unsigned")


def test_another_body_than_the_signed_one_is_refused(http, keys, sign, signed):
    for path, body, headers in (("/v1/jobs", NOOP, JSON), ("/v1/packets", signed, {})):
        kept = []

        def divert(request, kept=kept):
            kept.append(dict(request.headers))
            request.headers["Signature"] = "m2kt=:" + "A" * 86 + "==:"

        assert sign(keys.teacher, "POST", path, body, headers, spoil=divert).status_code == 401
        other = NOOP.replace(b"{}", b"[]") if path == "/v1/jobs" else signed[:-1] + b"\x00"
        answer = http.post(path, content=other, headers=kept[0])
        assert (answer.status_code, answer.json()["code"]) == (401, "request-unsigned")


def test_a_broker_that_knows_its_addresses_takes_no_request_for_another(keys, settings, sessions, portal, client_of):
    strict = settings.model_copy(update={"authorities": ("m2kt.example",)})
    transport = AppTransport(create_app(strict, sessions=sessions), portal)
    from m2kt.client import Client

    with pytest.raises(RequestUnsigned, match=r"broker\.test"):
        Client(URL, keys.teacher, transport=transport).submit_job("noop", {})
    assert Client("https://m2kt.example", keys.teacher, transport=transport).submit_job("noop", {})["state"] == "queued"


def test_administrators_of_the_settings_are_known_without_a_row(client_of, keys):
    assert client_of(keys.admin).submit_job("noop", {})["submitter"] == "root"


def test_old_nonces_are_pruned_and_fresh_ones_kept(session, keys, client_of):
    client_of(keys.teacher).submit_job("noop", {})
    client_of(keys.teacher).submit_job("noop", {})
    first = select(func.min(Nonce.nonce)).scalar_subquery()
    hour_ago = func.now() - func.make_interval(0, 0, 0, 0, 1)
    session.execute(update(Nonce).where(Nonce.nonce == first).values(seen_at=hour_ago))
    agents.prune_nonces(session, 600)
    assert session.scalar(select(func.count()).select_from(Nonce)) == 1


def test_a_worker_named_by_the_settings_may_publish(settings, sessions, portal, keys, signed, tmp_path):
    from m2kt.client import Client
    from m2kt.signing.keys import generate, write_private

    worker = generate()
    write_private(tmp_path / "worker.key", worker)
    known = settings.model_copy(update={"worker_key": tmp_path / "worker.key"})
    transport = AppTransport(create_app(known, sessions=sessions), portal)
    told = Client(URL, worker, transport=transport).publish(signed)
    assert (told["publisher"], told["packet_id"]) == ("worker", read_packet(signed).packet_id)
    assert {Role.WORKER} <= agents.PUBLISHING
