"""Bodies of bytes, hashed while they stream in."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fastapi import Request

from broker.web.access import PeerDep, PublisherDep, ReadingDep, Signed
from broker.web.reading import Reading
from m2kt.errors import WrongMediaType


@dataclass(frozen=True)
class Body:
    """A body of bytes, whose digest is the one that was signed."""

    data: bytearray
    digest: str
    """``sha256:`` and hex."""


def binary_body(media_type: str) -> Callable[..., Awaitable[Body]]:
    """A dependency: a publisher's body of this type, hashed while it streams in and compared with what was signed."""

    async def read(request: Request, reading: ReadingDep, signed: PublisherDep) -> Body:
        return await _read(request, reading, signed, media_type)

    return read


def peers_body(media_type: str) -> Callable[..., Awaitable[Body]]:
    """The same from a peer of an exchange."""

    async def read(request: Request, reading: ReadingDep, signed: PeerDep) -> Body:
        return await _read(request, reading, signed, media_type)

    return read


async def _read(request: Request, reading: Reading, signed: Signed, media_type: str) -> Body:
    _check_type(request, media_type)
    data, digest = await reading.whole()
    signed.request.check_body(digest)
    return Body(data, f"sha256:{digest.hex()}")


def _check_type(request: Request, media_type: str) -> None:
    """Nothing said is fine, so are plain bytes; anything else is somebody's mistake, said before the rest is read."""
    told = request.headers.get("content-type", media_type).partition(";")[0].strip().lower()
    if told not in (media_type, "application/octet-stream"):
        raise WrongMediaType(f"the body is to be {media_type}")
