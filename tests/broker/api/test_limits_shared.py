"""Rates, quotas and keys that repeat an answer: in Postgres, so the same on every replica."""

import json
import time

import pytest
from sqlalchemy import text

from broker.main import create_app
from broker.services import idempotency, rates
from broker.storage.driver import driver
from m2kt.errors import QuotaExceeded, RateLimited
from m2kt.signing import sign_packet
from tests.broker.conftest import URL, AppTransport, make_packet

pytestmark = pytest.mark.usefixtures("enrolled")


@pytest.fixture
def replica(settings, sessions, portal):
    """Another broker on the same database, with other settings; a client of it for a key."""
    from m2kt.client import Client

    def make(**change):
        app = create_app(settings.model_copy(update=change), sessions=sessions)
        transport = AppTransport(app, portal)
        return lambda key: Client(URL, key, transport=transport)

    return make


def upload(key, version="1.0.0"):
    return sign_packet(make_packet(version=version), key)


def test_what_a_caller_has_left_stands_in_every_answer_even_a_problem(sign, keys):
    first = sign(keys.teacher, "POST", "/v1/packets", b"no packet")
    assert (first.status_code, first.headers["RateLimit-Policy"]) == (422, '"requests";q=6000;w=60')
    assert first.headers["RateLimit"].startswith('"requests";r=5999;t=')
    assert "RateLimit" not in sign(keys.admin, "POST", "/v1/packets", b"no packet").headers


def test_replicas_count_together_and_one_request_too_many_is_429(replica, keys):
    one, other = (replica(requests_per_minute=3)(keys.teacher) for _ in range(2))
    data = upload(keys.teacher)
    for client in (one, other, one):
        client._transport.send("POST", "/v1/packets", content=data, signed=True)
    for client in (one, other):
        with pytest.raises(RateLimited):
            client._transport.send("POST", "/v1/packets", content=data, signed=True)


def test_429_says_when_to_come_back(settings, sessions, portal, keys):
    import httpx

    from m2kt.signing.http import EMPTY_DIGEST, new_nonce, sign_request

    app = create_app(settings.model_copy(update={"requests_per_minute": 1}), sessions=sessions)
    with httpx.Client(base_url=URL, transport=AppTransport(app, portal)) as http:
        path, answers = "/v1/uploads/00000000-0000-0000-0000-000000000000", []
        for _ in range(2):
            signed = sign_request("GET", URL + path, {}, EMPTY_DIGEST, keys.teacher, int(time.time()), new_nonce())
            answers.append(http.get(path, headers=signed))
    assert [each.status_code for each in answers] == [404, 429]
    assert 1 <= int(answers[1].headers["Retry-After"]) <= 60
    assert answers[1].headers["RateLimit"].startswith('"requests";r=0;t=')
    assert answers[1].json()["code"] == "rate-limited"


def test_a_bucket_fills_again_and_is_forgotten(session):
    assert [rates.spend(driver(session), "ada", 60).retry_after is None for _ in range(61)] == [True] * 60 + [False]
    session.execute(text("UPDATE rate_limits SET full_at = full_at - interval '10 s'"))
    assert rates.spend(driver(session), "ada", 60).remaining == 9
    session.execute(text("UPDATE rate_limits SET full_at = full_at - interval '1 day'"))
    rates.forget(session)
    assert session.scalar(text("SELECT count(*) FROM rate_limits")) == 0


def test_an_agent_may_publish_so_many_packets_and_bytes(replica, keys):
    data = [upload(keys.teacher, f"1.0.{number}") for number in range(3)]
    by_number = replica(quota_packets=2)(keys.teacher)
    by_number.publish(data[0])
    by_number.publish(data[1])
    by_number.publish(data[1])
    with pytest.raises(QuotaExceeded, match="2 packets"):
        by_number.publish(data[2])
    with pytest.raises(QuotaExceeded):
        replica(quota_bytes=len(data[0]) * 2 + 10)(keys.teacher).publish(data[2])
    replica(quota_packets=1)(keys.admin).publish(data[2])


def test_bytes_that_are_on_their_way_count(replica, keys):
    client = replica(quota_bytes=10_000)(keys.teacher)
    order = {"digest": f"sha256:{'1' * 64}", "length": 9_000}
    assert client._transport.post("/v1/uploads", order)["length"] == 9_000
    assert client._transport.post("/v1/uploads", order)["length"] == 9_000
    with pytest.raises(QuotaExceeded):
        client._transport.post("/v1/uploads", {"digest": f"sha256:{'2' * 64}", "length": 2_000})


# Idempotency-Key


def test_the_same_key_gets_the_same_answer_whatever_happened_meanwhile(sign, keys, run_scans, signed, http):
    def publish():
        return sign(keys.teacher, "POST", "/v1/packets", signed, {"Idempotency-Key": "k1"})

    first = publish()
    run_scans()
    second = publish()
    assert http.get(first.headers["Location"]).json()["state"] == "approved"
    assert (first.status_code, second.status_code) == (201, 201)
    assert (second.json(), second.headers["Location"]) == (first.json(), first.headers["Location"])
    assert sign(keys.teacher, "POST", "/v1/packets", signed).status_code == 200


def test_a_key_is_not_used_for_two_bodies_but_others_have_keys_of_their_own(sign, keys, signed):
    told, other = {"Idempotency-Key": "k1"}, upload(keys.teacher, "2.0.0")
    assert sign(keys.teacher, "POST", "/v1/packets", signed, told).status_code == 201
    answer = sign(keys.teacher, "POST", "/v1/packets", other, told)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-key-reused")
    assert sign(keys.admin, "POST", "/v1/packets", other, told).status_code == 201


def test_a_refusal_is_not_remembered(sign, keys, signed, session):
    told = {"Idempotency-Key": "k1"}
    assert sign(keys.teacher, "POST", "/v1/packets", b"no packet", told).status_code == 422
    assert sign(keys.teacher, "POST", "/v1/packets", signed, told).status_code == 201
    session.execute(text("UPDATE idempotency_keys SET created = now() - interval '40 days'"))
    idempotency.forget(session, older_than=__import__("datetime").timedelta(days=30))
    assert session.scalar(text("SELECT count(*) FROM idempotency_keys")) == 0


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 129, "ü"])
def test_a_key_that_is_none_is_refused(key, sign, keys, signed):
    headers = {"Idempotency-Key": key.encode("latin-1")}
    assert sign(keys.teacher, "POST", "/v1/packets", signed, headers).status_code == 422


@pytest.mark.parametrize("kind", ["text/html", "application/json", "multipart/form-data; boundary=x", "garbage"])
def test_another_content_type_is_415_before_the_body_is_read(kind, sign, keys, signed):
    answer = sign(keys.teacher, "POST", "/v1/packets", signed, {"Content-Type": kind})
    assert (answer.status_code, answer.json()["code"]) == (415, "media-type")
    order = json.dumps({"digest": f"sha256:{'1' * 64}", "length": 9_000}).encode()
    begun = sign(keys.teacher, "POST", "/v1/uploads", order, {"Content-Type": "application/json"})
    assert (
        sign(
            keys.teacher, "PATCH", begun.headers["Location"], b"x", {"Content-Type": kind, "Upload-Offset": "0"}
        ).status_code
        == 415
    )
    assert sign(keys.teacher, "POST", "/v1/uploads", order, {"Content-Type": kind}).status_code in (200, 422)
