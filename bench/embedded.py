"""A whole M2KT of a benchmark's own: servers, broker and worker in a temporary directory, gone afterwards."""

import http.client
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import psycopg

from m2kt.client import Client
from m2kt.dev import Addresses, Runtime
from m2kt.signing.http import new_nonce, sign_request
from m2kt.signing.keys import PrivateKey, load_private

Json = dict[str, Any]


@dataclass(frozen=True)
class Stack:
    """What a benchmark talks to."""

    runtime: Runtime
    addresses: Addresses
    admin: PrivateKey

    @property
    def url(self) -> str:
        return str(self.addresses.broker_url)

    def client(self) -> Client:
        return Client(self.url, self.admin)

    def database(self) -> psycopg.Connection[Any]:
        """A connection to look at the ledger from behind."""
        plain = self.addresses.database_url.replace("postgresql+psycopg://", "postgresql://")
        return psycopg.connect(plain, autocommit=True, connect_timeout=3)


@contextmanager
def embedded(settings: Mapping[str, str]) -> Iterator[Stack]:
    """Start everything with these environment variables; end and delete it afterwards, however that comes about."""
    with TemporaryDirectory(prefix="m2kt-bench-") as folder, _environment(settings):
        runtime = Runtime(Path(folder) / "var")
        try:
            addresses = runtime.up()
            assert addresses.admin_key
            yield Stack(runtime, addresses, load_private(addresses.admin_key))
        finally:
            runtime.reset()


@contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


class Sender:
    """Signed requests over one connection, without a library's overhead: on two cores the client must not be the
    bottleneck. Raises OSError or HTTPException when the broker is away."""

    def __init__(self, url: str, key: PrivateKey, session: str | None = None) -> None:
        self._url, self._key, self._session = url, key, session
        parts = urlsplit(url)
        self._host = parts.netloc
        self._connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=15)

    def post(self, path: str, body: Json, **headers: str) -> tuple[int, Json]:
        """Status and answer."""
        data = json.dumps(body).encode()
        digest, at = sha256(data).digest(), int(time.time())
        signed = sign_request(
            "POST", self._url + path, {"Host": self._host}, digest, self._key, at, new_nonce(), self._session
        )
        told = {**signed, "Content-Type": "application/json", **headers}
        try:
            self._connection.request("POST", path, data, told)
            answer = self._connection.getresponse()
            said = answer.read()
        except BaseException:
            self._connection.close()
            raise
        return answer.status, json.loads(said) if said else {}

    def close(self) -> None:
        self._connection.close()


def percentile(values: list[float], share: float) -> float:
    """The smallest value that is not below ``share`` of them (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-int(share * 1000) * len(ordered) // 1000) - 1))]
