"""The witness over HTTP, on a socket of its own."""

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from m2kt.errors import PortTaken
from m2kt.log import NoteKey, Witness
from m2kt.log.service import WitnessServer
from m2kt.log.witness import Request
from m2kt.signing.keys import generate

from .conftest import NOW, ORIGIN, MemoryLog


@pytest.fixture
def server(grown: MemoryLog, tmp_path: Path) -> Iterator[WitnessServer]:
    watcher = Witness("witness.test/w", generate(), {ORIGIN: grown.policy.keys}, tmp_path, lambda: NOW)
    with WitnessServer(("127.0.0.1", 0), watcher) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def http(server: WitnessServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{server.server_address[1]}", trust_env=False) as client:
        yield client


def test_it_cosigns_and_says_who_it_is(http: httpx.Client, server: WitnessServer, grown: MemoryLog) -> None:
    body = Request(0, (), grown.note()).to_bytes()
    answer = http.post("/add-checkpoint", content=body)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/plain; charset=utf-8")
    assert answer.text.startswith("— witness.test/w ")
    assert NoteKey.parse(http.get("/").text).text == server.witness.verifier.text
    stale = http.post("/add-checkpoint", content=body)
    assert (stale.status_code, stale.text, stale.headers["Content-Type"]) == (409, "10\n", "text/x.tlog.size")


def test_it_refuses_what_is_too_long_or_has_no_length(http: httpx.Client) -> None:
    assert http.post("/add-checkpoint", content=b"x" * 200_000).status_code == 413
    assert http.post("/add-checkpoint", content=iter([b"x"])).status_code == 411


def test_there_is_nothing_else(http: httpx.Client) -> None:
    assert (http.get("/add-checkpoint").status_code, http.post("/", content=b"").status_code) == (404, 404)


def test_a_taken_port_has_a_name(server: WitnessServer) -> None:
    address = ("127.0.0.1", server.server_address[1])
    with pytest.raises(PortTaken):
        WitnessServer(address, server.witness)
