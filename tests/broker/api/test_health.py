"""What an operator's machines see."""

import httpx
import pytest
from anyio.from_thread import BlockingPortal

from broker.main import create_app
from m2kt.client import Client
from m2kt.errors import DatabaseAway
from tests.broker.conftest import URL, AppTransport

NOBODY = "127.0.0.1:1"


def test_a_broker_with_both_servers_is_ready(http):
    assert http.get("/healthz").json() == {"status": "ok"}
    assert http.get("/readyz").json() == {"status": "ok", "database": "ok", "redis": "ok"}


def test_without_redis_it_is_degraded_and_says_so_and_still_takes_work(settings, sessions, portal, keys, enrolled):
    alone = settings.model_copy(update={"redis_url": f"redis://{NOBODY}/0"})
    transport = AppTransport(create_app(alone, sessions=sessions), portal)
    with httpx.Client(base_url=URL, transport=transport) as http:
        said = http.get("/readyz").json()
    assert (said["status"], said["redis"]) == ("degraded", "away")
    assert Client(URL, keys.teacher, transport=transport).submit_job("noop", {})["state"] == "queued"


@pytest.fixture
def without_database(settings, portal: BlockingPortal, keys):
    url = f"postgresql+psycopg://nobody:nothing@{NOBODY}/none"
    return AppTransport(create_app(settings.model_copy(update={"database_url": url})), portal)


def test_without_its_database_it_answers_503_and_no_traceback(without_database, keys, signed):
    with httpx.Client(base_url=URL, transport=without_database) as http:
        assert http.get("/healthz").status_code == 200
        for path in ("/readyz", "/v1/packets"):
            answer = http.get(path)
            assert (answer.status_code, answer.json()["code"]) == (503, "database-away")
            assert "Traceback" not in answer.text
            assert "nothing" not in answer.text
        assert "m2kt_database_up 0.0" in http.get("/metrics").text
    with pytest.raises(DatabaseAway):
        Client(URL, keys.teacher, transport=without_database).submit_job("noop", {})


@pytest.mark.usefixtures("enrolled")
def test_metrics_count_requests_by_route_and_packets_by_state(http, client_of, keys, signed):
    packet_id = client_of(keys.teacher).publish(signed)["packet_id"]
    http.get(f"/v1/packets/{packet_id}")
    said = http.get("/metrics").text
    assert 'm2kt_http_requests_total{method="POST",route="/v1/packets",status="201"} 1.0' in said
    assert packet_id not in said
    assert 'm2kt_packets{state="received"} 1.0' in said
    assert 'm2kt_jobs{kind="scan",state="queued"} 1.0' in said
    assert "m2kt_database_up 1.0" in said


def test_the_broker_says_its_key_and_limits(http, settings):
    said = http.get("/v1/broker").json()
    assert said["public_key"].startswith("ed25519:")
    assert said["max_packet_bytes"] == settings.max_packet_bytes
