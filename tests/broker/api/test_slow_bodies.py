"""Bodies over a real socket that are slow, shorter or longer than they say, or never end."""

import socket
import threading
import time
from hashlib import sha256

import pytest
import uvicorn

from m2kt.dev.ports import choose
from m2kt.signing.http import new_nonce, sign_request

pytestmark = pytest.mark.usefixtures("enrolled")


@pytest.fixture
def address(settings, sessions):
    """A broker on loopback that waits half a second for bytes."""
    from broker.main import create_app

    app = create_app(settings.model_copy(update={"body_seconds": 0.5}), sessions=sessions)
    port = choose(None, None)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, lifespan="off", log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield ("127.0.0.1", port)
    server.should_exit = True
    thread.join()


def opened(address, key, length: int | None, body: bytes) -> socket.socket:
    """A connection on which the head of a signed publication was sent."""
    host = f"{address[0]}:{address[1]}"
    signed = sign_request(
        "POST", f"http://{host}/v1/packets", {"Host": host}, sha256(body).digest(), key, int(time.time()), new_nonce()
    )
    framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    lines = [f"{name}: {value}" for name, value in signed.items()]
    head = "\r\n".join(["POST /v1/packets HTTP/1.1", f"Host: {host}", framing, *lines, "", ""])
    connection = socket.create_connection(address, timeout=60)
    connection.sendall(head.encode())
    return connection


def status(connection: socket.socket) -> int:
    with connection:
        said = connection.recv(65536)
    assert said.startswith(b"HTTP/1.1 "), said
    return int(said.split()[1])


def test_a_body_that_stops_is_given_up(address, keys):
    connection = opened(address, keys.teacher, 1000, b"x" * 1000)
    connection.sendall(b"x" * 10)
    assert status(connection) == 408


def test_a_body_that_trickles_is_given_up(address, keys):
    connection, over = opened(address, keys.teacher, 100_000, b"x"), threading.Event()

    def trickle():
        while not over.wait(0.1):
            try:
                connection.sendall(b"x")
            except OSError:
                return

    thread = threading.Thread(target=trickle)
    thread.start()
    try:
        said = connection.recv(65536)
    finally:
        over.set()
        thread.join()
        connection.close()
    assert said.startswith(b"HTTP/1.1 408")


def test_a_body_that_is_shorter_than_it_said_changes_nothing(address, keys, session, signed):
    connection = opened(address, keys.teacher, len(signed) + 5, signed)
    connection.sendall(signed)
    connection.shutdown(socket.SHUT_WR)
    with connection:
        said = connection.recv(65536)
    assert not said.startswith(b"HTTP/1.1 2")


def test_a_body_that_is_longer_than_it_said_is_another_one(address, keys, signed):
    connection = opened(address, keys.teacher, len(signed) - 1, signed)
    connection.sendall(signed)
    assert status(connection) == 401


def test_chunks_that_are_none_are_refused(address, keys):
    connection = opened(address, keys.teacher, None, b"")
    connection.sendall(b"zz\r\nnot a chunk\r\n")
    assert status(connection) == 400


def test_two_lengths_are_refused(address, keys):
    with socket.create_connection(address, timeout=60) as connection:
        connection.sendall(b"POST /v1/packets HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx")
        assert connection.recv(65536).startswith(b"HTTP/1.1 400")
