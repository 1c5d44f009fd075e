"""Extraction and alignment as jobs of the worker, ordered over REST: real models, real children, small settings."""

from collections.abc import Iterator
from typing import Any

import pytest

from m2kt.client import Client
from m2kt.dev import Runtime
from m2kt.errors import DomainError, ModelError
from m2kt.signing import TrustStore
from m2kt.signing.keys import load_private, load_public
from tests.models import EXAMPLES

SETTINGS = {"probes": 800, "least_chains": 8, "least_support": 2, "swap": {"chains": 32}}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    runtime = Runtime(tmp_path_factory.mktemp("jobs"))
    try:
        addresses = runtime.up()
        assert addresses.broker_url
        assert addresses.admin_key
        keys = runtime.layout.keys
        trust = TrustStore([load_public(keys / "broker.pub"), load_public(keys / "worker.pub")])
        with Client(addresses.broker_url, load_private(addresses.admin_key), trust) as client:
            yield client
    finally:
        runtime.down()


def finished(client: Client, kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    return client.wait_for_job(client.submit_job(kind, spec)["id"], timeout=240)


@pytest.fixture(scope="module")
def extracted(client: Client) -> dict[str, Any]:
    spec = {
        "model": str(EXAMPLES / "teacher"),
        "domain": "chains",
        "name": "jobs/chains",
        "version": "1.0.0",
        "settings": SETTINGS,
        "threads": 1,
        "device": "cpu",
    }
    return finished(client, "extract", spec)


@pytest.mark.timeout(600)
def test_an_extraction_job_publishes_what_the_worker_signed(client: Client, extracted: dict[str, Any]) -> None:
    assert extracted["state"] == "succeeded"
    packet_id = extracted["result"]["packet_id"]
    client.wait_for_state(packet_id, {"approved"})
    packet = client.pull(packet_id).packet
    assert packet.manifest.reference == "jobs/chains@1.0.0"
    assert packet.manifest.teacher.name == "teacher"


@pytest.mark.timeout(600)
def test_an_alignment_job_leaves_a_memory(client: Client, extracted: dict[str, Any]) -> None:
    packet_id = extracted["result"]["packet_id"]
    client.wait_for_state(packet_id, {"approved"})
    spec = {"packet_id": packet_id, "model": str(EXAMPLES / "student"), "schedule": {"steps": 20}, "threads": 1}
    job = finished(client, "align", spec)
    assert job["state"] == "succeeded"
    assert job["result"]["packet_id"] == packet_id
    assert job["result"]["losses"][-1] < job["result"]["losses"][0]


@pytest.mark.parametrize(
    ("change", "error"),
    [({"model": "/no/such/model"}, ModelError), ({"domain": "nobody"}, DomainError)],
)
def test_a_job_that_cannot_be_done_says_why(
    client: Client, change: dict[str, Any], error: type[ModelError | DomainError]
) -> None:
    spec = {"model": str(EXAMPLES / "teacher"), "domain": "chains", "name": "jobs/none", "version": "1.0.0", **change}
    job = finished(client, "extract", spec)
    assert job["state"] == "failed"
    assert job["error"]["code"] == error.code
    assert list(client.list(name="jobs/none")) == []
