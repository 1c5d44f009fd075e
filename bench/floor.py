"""The bare floor that `bench.transport` compares with: FastAPI, SHA-256, one durable file; nothing else.

``uvicorn --factory bench.floor:create_app``, in the directory ``FLOOR_ROOT``. A push is hashed while it streams in,
compared with Content-Digest, written, and on the disk (fsync of file and directory) before the answer. A pull sends
the file. No identity, no signature, no database.
"""

import os
from hashlib import sha256
from pathlib import Path

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import FileResponse
from starlette.concurrency import run_in_threadpool

from m2kt.signing.http import content_digest


def create_app() -> FastAPI:
    root, app = Path(os.environ["FLOOR_ROOT"]), FastAPI()

    @app.post("/blobs", status_code=201)
    async def push(request: Request) -> dict[str, str]:
        data, digest = bytearray(), sha256()
        async for piece in request.stream():
            digest.update(piece)
            data += piece
        if request.headers["Content-Digest"] != content_digest(digest.digest()):
            raise HTTPException(422)
        await run_in_threadpool(_keep, root / digest.hexdigest(), data)
        return {"digest": digest.hexdigest()}

    @app.get("/blobs/{name}")
    async def pull(name: str) -> FileResponse:
        return FileResponse(root / name)

    return app


def _keep(path: Path, data: bytearray) -> None:
    draft = path.with_suffix(".new")
    with draft.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
