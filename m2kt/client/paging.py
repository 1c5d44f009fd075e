"""What calls of every noun share: the connection, pages, waiting."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from urllib.parse import urlsplit

from m2kt.client.transport import Json, Transport, json_of
from m2kt.errors import Unavailable


class Calls:
    """One broker's REST interface, over one transport."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def _read(self, path: str, params: Mapping[str, str | int | None]) -> Json:
        """One answer. Signed where there is a key: who signs sees its own project, too."""
        return json_of(self._transport.send("GET", path, params=params, signed=self._transport.has_key))

    def _items(self, path: str, params: Mapping[str, str | int | None], *, signed: bool = False) -> Iterator[Json]:
        """The items of all pages; the next page is asked for when the caller gets there."""
        response = self._transport.send("GET", path, params=params, signed=signed or self._transport.has_key)
        while True:
            yield from json_of(response)["items"]
            following = response.links.get("next")
            if following is None:
                return
            target = urlsplit(following["url"])  # its path only: a broker does not send us to other hosts
            response = self._transport.send(
                "GET", f"{target.path}?{target.query}", signed=signed or self._transport.has_key
            )

    def _wait(self, look: Callable[[], Json], states: Collection[str], timeout: float, what: str) -> Json:
        end, pause = time.monotonic() + timeout, 0.05
        while True:
            found = look()
            if found["state"] in states:
                return found
            if time.monotonic() + pause > end:
                why = f" ({found['reason']})" if found.get("reason") else ""
                wanted = " or ".join(sorted(states))
                raise Unavailable(f"{what} is {found['state']}{why} and not {wanted} after {timeout:g} s")
            time.sleep(pause)
            pause = min(pause * 1.5, 1.0)
