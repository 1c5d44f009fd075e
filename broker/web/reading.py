"""A body that is read and hashed while the database is still being asked about its caller."""

import asyncio
from contextlib import suppress
from hashlib import sha256

from fastapi import Request

EARLY = 2**20
"""How many bytes are read of a caller who has not been admitted yet; pieces come as the server has them."""


class Reading:
    """One body. Whoever is refused after `begin` has sent at most `EARLY` bytes and a piece."""

    def __init__(self, request: Request) -> None:
        self._request, self._admitted = request, asyncio.Event()
        self._task: asyncio.Task[tuple[bytearray, bytes]] | None = None

    def begin(self) -> None:
        """Read on while others decide."""
        if self._task is None:
            self._task = asyncio.create_task(self._read())

    async def whole(self) -> tuple[bytearray, bytes]:
        """The body of a caller who was admitted, and its SHA-256; or the error that ended it."""
        self._admitted.set()
        return await (self._read() if self._task is None else self._task)

    async def stop(self) -> None:
        """Read no further. What went wrong is `whole`'s to tell; nobody may have asked."""
        if self._task is not None:
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
