"""Publishing: at once, or in parts. Both go on by themselves when a connection breaks.

One request is faster than parts, which the broker writes twice; parts lose less when a connection breaks. So what is
not very large is sent at once, and in parts as soon as that was interrupted.
"""

import itertools
import random
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from hashlib import sha256
from typing import Any, TypeVar

from m2kt.client.transport import Json, Transport, json_of
from m2kt.errors import BodyTimeout, RateLimited, Unavailable, UploadGone, UploadOffset

PACKET = "application/vnd.m2kt.packet"
PART = "application/partial-upload"
AT_ONCE = 64 * 2**20
SMALL = 16 * 2**20
"""What fits into one part is sent again as it is."""

PATIENCE_SECONDS = 60.0
"""How long a broker may be away in the middle of an upload."""

ATTEMPTS = 3
"""When nothing has been sent yet it is more likely that nobody is there."""

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0
STARTS = 3
"""How often an upload that the broker gave up is begun again."""

T = TypeVar("T")


def publish(
    transport: Transport,
    data: bytes,
    project: str | None = None,
    *,
    lease: Mapping[str, Any] | None = None,
    at_once: int = AT_ONCE,
    patience: float = PATIENCE_SECONDS,
) -> Json:
    """The packet as the broker has it now. ``project``: for who is at home in every one; ``lease``: job, fence and
    session under which it is written, which is looked at in the transaction that writes it."""
    params = {"project": project, **(lease or {})}
    if lease or len(data) <= min(SMALL, at_once):
        return _patiently(lambda: _post(transport, data, params), patience, ATTEMPTS)
    if len(data) <= at_once:
        with suppress(Unavailable, RateLimited, BodyTimeout):  # what was sent is lost; from now on parts stay
            return _post(transport, data, params)
    for _ in range(STARTS - 1):
        try:
            return _in_parts(transport, data, project, patience)
        except UploadGone:
            pass
    return _in_parts(transport, data, project, patience)


def _post(transport: Transport, data: bytes, params: Mapping[str, Any]) -> Json:
    headers = {"Content-Type": PACKET}
    response = transport.send("POST", "/v1/packets", params=params, content=data, headers=headers, signed=True)
    return json_of(response)


def begin(transport: Transport, digest: str, length: int) -> Json:
    """A new upload of ``length`` bytes, or the open one of the same bytes."""
    return transport.post("/v1/uploads", {"digest": digest, "length": length})


def _in_parts(transport: Transport, data: bytes, project: str | None, patience: float) -> Json:
    """Create, append until all is there, complete. Each step may be sent again: the broker says where it stands."""
    digest = f"sha256:{sha256(data).hexdigest()}"
    upload = _patiently(lambda: begin(transport, digest, len(data)), patience, ATTEMPTS)
    path, view = f"/v1/uploads/{upload['id']}", memoryview(data)
    while upload["received"] < len(data):
        at = int(upload["received"])
        send = partial(_append, transport, path, view, at, int(upload["part_bytes"]))
        upload = _patiently(send, patience)
    return _patiently(lambda: _complete(transport, path, project), patience)


def _complete(transport: Transport, path: str, project: str | None) -> Json:
    return json_of(transport.send("POST", f"{path}/complete", params={"project": project}, signed=True))


def _append(transport: Transport, path: str, data: memoryview, at: int, size: int) -> Json:
    """The upload after this part, or, when the broker is elsewhere (a lost answer, another process), as it is."""
    headers = {"Content-Type": PART, "Upload-Offset": str(at)}
    try:
        response = transport.send("PATCH", path, content=bytes(data[at : at + size]), headers=headers, signed=True)
    except UploadOffset:
        response = transport.send("GET", path, signed=True)
    return json_of(response)


def _patiently(call: Callable[[], T], patience: float, attempts: int | None = None) -> T:
    """What ``call`` returns, once nothing is in its way any more."""
    end, pause = time.monotonic() + patience, FIRST_PAUSE
    for tried in itertools.count(1):
        try:
            return call()
        except (Unavailable, RateLimited):
            if tried == attempts or time.monotonic() + pause > end:
                raise
        time.sleep(pause * random.uniform(0.5, 1.5))
        pause = min(pause * 2, LONGEST_PAUSE)
    raise AssertionError("unreachable")
