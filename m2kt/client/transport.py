"""Signed requests over httpx: every answer is a success, or the error that the broker named."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

import httpx

from m2kt.errors import BrokerAway, M2KTError, RequestUnsigned, by_code
from m2kt.signing.http import new_nonce, sign_request
from m2kt.signing.keys import PrivateKey

Json = dict[str, Any]

TIMEOUT_SECONDS = 60.0
CONNECT_SECONDS = 5.0


class Transport:
    """One connection pool to one broker, and the key that signs."""

    def __init__(
        self,
        base_url: str,
        key: PrivateKey | None,
        transport: httpx.BaseTransport | None,
        session: str | None = None,
    ) -> None:
        self._key = key
        self.session = session
        """What requests are signed with besides the key; None for a call that stands alone."""
        self._http = httpx.Client(
            base_url=base_url.rstrip("/"),
            transport=transport,
            timeout=httpx.Timeout(TIMEOUT_SECONDS, connect=CONNECT_SECONDS),
        )

    def close(self) -> None:
        self._http.close()

    def get(self, path: str) -> Json:
        """The object in the answer. Signed where there is a key: who signs sees its own project, too."""
        return json_of(self.send("GET", path, signed=self.has_key))

    @property
    def has_key(self) -> bool:
        return self._key is not None

    def post(self, path: str, body: Any = None) -> Json:
        """Send JSON, signed; the object in the answer."""
        return json_of(self.send("POST", path, json=body, signed=True))

    def send(self, method: str, path: str, *, signed: bool, **arguments: Any) -> httpx.Response:
        """The answer, which is a success. A signed request that is sent again needs a new nonce: call this again."""
        params = {key: value for key, value in (arguments.pop("params", None) or {}).items() if value is not None}
        request = self._http.build_request(method, path, params=params or None, **arguments)
        if signed:
            self._sign(request)
        try:
            response = self._http.send(request)
        except httpx.TransportError as error:
            raise BrokerAway(f"{self._http.base_url} does not answer: {error or type(error).__name__}") from error
        if response.is_success:
            return response
        raise _named(response)

    @contextmanager
    def stream(self, path: str, headers: Mapping[str, str]) -> Iterator[httpx.Response]:
        """An answer whose body is read as it comes; it may be silent for a while."""
        try:
            with self._http.stream("GET", path, headers=headers) as response:
                if not response.is_success:
                    response.read()
                    raise _named(response)
                yield response
        except httpx.TransportError as error:
            raise BrokerAway(f"{self._http.base_url} does not answer: {error or type(error).__name__}") from error

    def _sign(self, request: httpx.Request) -> None:
        if self._key is None:
            raise RequestUnsigned("this call needs a key", hint="Give the client a private key of a registered agent.")
        digest = sha256(request.read()).digest()
        host = {"Host": request.headers["Host"]}
        headers = sign_request(
            request.method,
            str(request.url),
            host,
            digest,
            self._key,
            int(time.time()),
            new_nonce(),
            self.session,
        )
        request.headers.update(headers)


def json_of(response: httpx.Response) -> Json:
    """The object in an answer."""
    try:
        found = response.json()
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise BrokerAway("the answer is not a broker's: another program may listen there")
    return found


def _named(response: httpx.Response) -> M2KTError:
    """The error in a problem+json answer (RFC 9457); what is none says only its status."""
    try:
        problem = response.json()
        code, detail, hint = str(problem["code"]), str(problem["detail"]), str(problem["hint"])
    except (ValueError, KeyError, TypeError):
        if response.status_code in (502, 503, 504):
            return BrokerAway(f"{response.url.host} answers {response.status_code}")
        return M2KTError(f"the broker answered {response.status_code} without saying why")
    faults = "".join(f"; {each['where']}: {each['what']}" for each in problem.get("errors", []))
    return by_code(code)(detail + faults, hint=hint)
