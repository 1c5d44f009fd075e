"""The transparency log (C2SP tlog-tiles): static, cacheable resources, and proofs for those who hold no tiles."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response

from broker.schemas.types import MAX_INT, EntryHex, TilePath
from broker.services import tlog
from broker.web.deps import OPEN_LOG, SessionDep
from broker.web.problems import documented
from m2kt.log.proofs import encode_hashes
from m2kt.log.tiles import Place

TEXT = "text/plain; charset=utf-8"
BYTES = "application/octet-stream"
FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}
NEVER = {"Cache-Control": "no-store"}

Size = Annotated[int, Query(ge=0, le=MAX_INT)]

router = APIRouter(prefix="/v1/log", tags=["log"], dependencies=[Depends(OPEN_LOG)])


def _answers(media_type: str, what: str) -> dict[int | str, dict[str, Any]]:
    kind = {"type": "string"} if media_type == TEXT else {"type": "string", "format": "binary"}
    return {200: {"content": {media_type: {"schema": kind}}, "description": what}, **documented(404)}


@router.get("/checkpoint", response_class=Response, responses=_answers(TEXT, "a signed note"))
def checkpoint(session: SessionDep) -> Response:
    """The newest checkpoint: the log's name, size and root, signed and cosigned."""
    return Response(tlog.published(session).note, headers=NEVER, media_type=TEXT)


@router.get("/tile/{path:path}", response_class=Response, responses=_answers(BYTES, "hashes, or entries"))
def tile(path: TilePath, session: SessionDep) -> Response:
    """``<level>/<index>[.p/<width>]``: a tile of hashes; ``entries/<index>[.p/<width>]``: the entries themselves."""
    return Response(tlog.resource(session, Place.parse(path)), headers=FOR_EVER, media_type=BYTES)


@router.get("/proof/inclusion/{entry}", response_class=Response, responses=_answers(TEXT, "a C2SP tlog-proof"))
def inclusion(entry: EntryHex, session: SessionDep) -> Response:
    """That an entry (SHA-256 of a statement's DSSE encoding, in hex) stands in the log; 503 while it waits."""
    return Response(tlog.proof(session, bytes.fromhex(entry)).to_text(), headers=NEVER, media_type=TEXT)


@router.get("/proof/consistency", response_class=Response, responses=_answers(TEXT, "a hash in each line"))
def consistency(old: Size, new: Size, session: SessionDep) -> Response:
    """That the tree of ``new`` entries begins with that of ``old``."""
    lines = encode_hashes(tlog.consistency(session, old, new))
    return Response("".join(f"{each}\n" for each in lines), headers=FOR_EVER, media_type=TEXT)
