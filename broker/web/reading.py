"""A body that is read and hashed while its caller is still being asked who it is."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from hashlib import sha256
from typing import Annotated

from fastapi import Depends, Request

EARLY = 2**20
"""How many bytes are read of a caller who has not been admitted yet; pieces come as the server has them."""


class Reading:
    """Begins at once. Whoever is refused has sent at most `EARLY` bytes and a piece."""

    def __init__(self, request: Request) -> None:
        self._request, self._admitted = request, asyncio.Event()
        self._task = asyncio.create_task(self._read())

    def admit(self) -> None:
        """Read on, to the end."""
        self._admitted.set()

    async def whole(self) -> tuple[bytearray, bytes]:
        """The body and its SHA-256, or the error that ended it."""
        return await self._task

    async def stop(self) -> None:
        """Read no further. What went wrong is `whole`'s to tell; nobody may have asked."""
        self._task.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await self._task

    async def _read(self) -> tuple[bytearray, bytes]:
        data, digest = bytearray(), sha256()
        async for piece in self._request.stream():
            digest.update(piece)
            data += piece
            if len(data) > EARLY:
                await self._admitted.wait()
        return data, digest.digest()


async def start_reading(request: Request) -> AsyncIterator[Reading]:
    reading = Reading(request)
    try:
        yield reading
    finally:
        await reading.stop()


ReadingDep = Annotated[Reading, Depends(start_reading, scope="function")]
