"""The command line in this process, a signed packet, and a broker that says what a test tells it to."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from m2kt.cli import app
from m2kt.cli.edge import run_app
from m2kt.signing import PrivateKey, sign_packet
from m2kt.signing.keys import write_private, write_public
from tests.small import small_packet


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str


Run = Callable[..., Ended]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Run ``m2kt`` with these words."""

    def call(*words: object) -> Ended:
        status = run_app(app, "m2kt", [str(each) for each in words])
        return Ended(status, *capfd.readouterr())

    return call


@pytest.fixture
def key() -> PrivateKey:
    return PrivateKey.from_private_bytes(bytes(range(32)))


@pytest.fixture
def key_file(tmp_path: Path, key: PrivateKey) -> Path:
    write_private(tmp_path / "ada.key", key)
    return tmp_path / "ada.key"


@pytest.fixture
def trust(tmp_path: Path, key: PrivateKey) -> Path:
    """A directory with the signer's public key."""
    (tmp_path / "trust").mkdir()
    write_public(tmp_path / "trust" / "ada.pub", key.public_key())
    return tmp_path / "trust"


@pytest.fixture
def packet_file(tmp_path: Path, key: PrivateKey) -> Path:
    path = tmp_path / "small.m2kt"
    path.write_bytes(sign_packet(small_packet(), key))
    return path


@dataclass
class FakeBroker:
    """Answers by method and path, and what it was sent."""

    url: str
    answers: dict[tuple[str, str], tuple[int, Any]] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def say(self, method: str, path: str, answer: Any, status: int = 200) -> None:
        self.answers[method, path] = (status, answer)

    def answer(self, method: str, target: str, body: bytes) -> tuple[int, bytes]:
        self.asked.append((method, target))
        self.bodies.append(body)
        missing = {"code": "not-found", "detail": f"nothing at {target}", "hint": "Look elsewhere."}
        status, answer = self.answers.get((method, target.partition("?")[0]), (404, missing))
        return status, json.dumps(answer).encode()


@pytest.fixture
def broker() -> Iterator[FakeBroker]:
    """A broker without a mind of its own, on a loopback port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, answer = fake.answer(self.command, self.path, body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_PUT = do_GET  # noqa: N815 - names that http.server chose
        do_POST = do_GET  # noqa: N815 - names that http.server chose

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        fake = FakeBroker(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield fake
        server.shutdown()
        thread.join()
