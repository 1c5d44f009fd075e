"""The bytes of a packet: only approved ones, with ETag and Range (RFC 9110)."""

from hashlib import sha256
from typing import Annotated, Any

from fastapi import APIRouter, Header, Response, status

from broker.api.packets import MEDIA_TYPE
from broker.api.ranges import matches, parse_range
from broker.schemas.types import PacketRef
from broker.services import packets, pulling
from broker.web.deps import CallerDep, DeskDep, SessionDep
from broker.web.problems import documented
from m2kt.signing.http import content_digest

_BINARY = {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"content": _BINARY, "description": "the packet"},
    206: {"content": _BINARY, "description": "a part of it"},
    304: {"description": "unchanged"},
}

router = APIRouter(prefix="/v1", tags=["packets"])


@router.get(
    "/packets/{packet_id}/content",
    response_class=Response,
    responses={**_ANSWERS, **documented(401, 403, 404, 409, 410, 416)},
)
def pull(
    packet_id: PacketRef,
    caller: CallerDep,
    desk: DeskDep,
    session: SessionDep,
    if_none_match: Annotated[str | None, Header()] = None,
    if_range: Annotated[str | None, Header()] = None,
    range_: Annotated[str | None, Header(alias="Range")] = None,
) -> Response:
    """The packet's bytes. Fails closed: what no scan has approved answers 409, what was revoked 410."""
    packet = pulling.pullable_by(session, packet_id, caller)
    etag = f'"{packet.content_sha256}"'
    headers = {"ETag": etag, "Accept-Ranges": "bytes", "Cache-Control": "private, no-cache"}
    if matches(if_none_match, etag):
        return Response(status_code=status.HTTP_304_NOT_MODIFIED, headers=headers)
    part = parse_range(range_ if if_range in (None, etag) else None, packet.size)
    start, stop = part or (0, packet.size)
    data = packets.content(session, desk.store, packet, start, stop)
    headers["Content-Digest"] = content_digest(sha256(data).digest())
    if part is None:
        return Response(data, headers=headers, media_type=MEDIA_TYPE)
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{packet.size}"
    return Response(data, status.HTTP_206_PARTIAL_CONTENT, headers, MEDIA_TYPE)
