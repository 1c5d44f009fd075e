"""Signed requests as they stand on the wire, to be repeated and altered."""

import http.client
import time
from dataclasses import dataclass, replace
from hashlib import sha256
from urllib.parse import urlsplit

from bench.matrix import Answer, answer_of
from m2kt.signing.http import new_nonce, sign_request
from m2kt.signing.keys import PrivateKey


@dataclass(frozen=True)
class Wire:
    """A request: every header is written out, ``Host`` and ``Content-Length`` too."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""

    def having(self, name: str, value: str | None) -> "Wire":
        """With another value of one header, or without it."""
        kept = tuple(each for each in self.headers if each[0].lower() != name.lower())
        return replace(self, headers=kept if value is None else (*kept, (name, value)))

    def of(self, name: str) -> str:
        return next(value for each, value in self.headers if each.lower() == name.lower())

    def carrying(self, body: bytes) -> "Wire":
        """With another body, of a fitting length."""
        return replace(self.having("Content-Length", str(len(body))), body=body)


def signed(
    url: str,
    key: PrivateKey,
    method: str,
    path: str,
    body: bytes = b"",
    session: str | None = None,
    *,
    age: int = 0,
) -> Wire:
    """A request to the broker at ``url``, signed ``age`` seconds ago."""
    host, at = urlsplit(url).netloc, int(time.time()) - age
    made = sign_request(method, url + path, {"Host": host}, sha256(body).digest(), key, at, new_nonce(), session)
    plain = {"Host": host, "Content-Type": "application/json", "Content-Length": str(len(body))}
    return Wire(method, path, tuple((plain | made).items()), body)


class Line:
    """One connection to one replica."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=60)

    def send(self, wire: Wire) -> Answer:
        """The answer to exactly these bytes; sent once, whatever happens."""
        try:
            self._connection.putrequest(wire.method, wire.path, skip_host=True, skip_accept_encoding=True)
            for name, value in wire.headers:
                self._connection.putheader(name, value)
            self._connection.endheaders(wire.body or None)
            answer = self._connection.getresponse()
            said = answer.read()
        except BaseException:
            self._connection.close()
            raise
        return answer_of(answer.status, said.decode(errors="replace"))

    def close(self) -> None:
        self._connection.close()
