"""The bytes of a packet: only approved ones, with ETag and Range (RFC 9110)."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Response, status
from fastapi.responses import StreamingResponse
from sqlalchemy.orm import Session

from broker.api.packets import MEDIA_TYPE
from broker.api.ranges import matches, parse_range
from broker.db import transaction
from broker.models import PacketState
from broker.schemas.types import PacketRef
from broker.services import pulling, pulls
from broker.services.agents import Principal
from broker.services.pulling import Pullable
from broker.storage import BlobStore
from broker.web.deps import ContextDep, allow
from broker.web.problems import documented
from m2kt.signing.http import content_digest

AT_ONCE = 4 * 2**20
"""Smaller answers are cheaper whole than with a hop to a thread for every piece."""

_BINARY = {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}
_ABOUT = {
    "ETag": {"schema": {"type": "string"}, "description": "digest of the stored bytes"},
    "Content-Digest": {"schema": {"type": "string"}, "description": "RFC 9530, of the bytes sent"},
    "Accept-Ranges": {"schema": {"const": "bytes"}},
}
_PART = {"Content-Range": {"schema": {"type": "string"}}}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"content": _BINARY, "description": "the packet", "headers": _ABOUT},
    206: {"content": _BINARY, "description": "a part of it", "headers": _ABOUT | _PART},
    304: {"description": "unchanged", "headers": {"ETag": _ABOUT["ETag"]}},
}

PullerDep = Annotated[Principal, Depends(allow(*sorted(pulling.ASKING)))]

router = APIRouter(prefix="/v1", tags=["packets"])


@router.get(
    "/packets/{packet_id}/content",
    response_class=Response,
    responses={**_ANSWERS, **documented(401, 403, 404, 409, 410, 416)},
)
def pull(
    packet_id: PacketRef,
    caller: PullerDep,
    context: ContextDep,
    if_none_match: Annotated[str | None, Header()] = None,
    if_range: Annotated[str | None, Header()] = None,
    range_: Annotated[str | None, Header(alias="Range")] = None,
) -> Response:
    """The packet's bytes. Fails closed: what no scan has approved answers 409, and what one approved too long ago;
    what was revoked 410. What was yanked comes with a `Warning`. Who got it is noted, once a day."""
    with context.single.connection() as connection:
        seen = pulling.look(connection, packet_id, caller)
        with transaction(context.reads) as session:  # asks for a connection only for what belongs to an exchange
            packet = pulling.pullable_by(session, seen, caller)
        answer = _Answer(packet, _Asked(if_none_match, if_range, range_))
        if not packet.noted and not answer.unchanged:
            pulls.note(connection, packet_id, caller.name)
    with transaction(context.reads) as session:  # and here only where bytes lie in Postgres
        return answer.of(session, context.desk.store)


@dataclass(frozen=True)
class _Asked:
    """Which part of the content, if any."""

    if_none_match: str | None
    if_range: str | None
    range_: str | None


class _Answer:
    """What of a packet is sent: nothing, a part or all. 416 for a part that it has not."""

    def __init__(self, packet: Pullable, asked: _Asked) -> None:
        etag = f'"{packet.content_sha256}"'
        self._packet = packet
        self._headers = {"ETag": etag, "Accept-Ranges": "bytes", "Cache-Control": "private, no-cache"}
        self._headers |= _warning(packet)
        self.unchanged = matches(asked.if_none_match, etag)
        self._part = None
        if not self.unchanged:
            self._part = parse_range(asked.range_ if asked.if_range in (None, etag) else None, packet.size)

    def of(self, session: Session, store: BlobStore) -> Response:
        if self.unchanged:
            return Response(status_code=status.HTTP_304_NOT_MODIFIED, headers=self._headers)
        return self._all(session, store) if self._part is None else self._some(session, store, *self._part)

    def _all(self, session: Session, store: BlobStore) -> Response:
        digest, size = self._packet.content_sha256, self._packet.size
        pieces = store.read(session, digest, 0, size)
        headers = {**self._headers, "Content-Digest": content_digest(bytes.fromhex(digest.removeprefix("sha256:")))}
        headers["Content-Length"] = str(size)
        if size <= AT_ONCE:
            return Response(b"".join(pieces), headers=headers, media_type=MEDIA_TYPE)
        return StreamingResponse(pieces, headers=headers, media_type=MEDIA_TYPE)

    def _some(self, session: Session, store: BlobStore, start: int, stop: int) -> Response:
        data = b"".join(store.read(session, self._packet.content_sha256, start, stop))
        headers = {**self._headers, "Content-Digest": content_digest(sha256(data).digest())}
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{self._packet.size}"
        return Response(data, status.HTTP_206_PARTIAL_CONTENT, headers, MEDIA_TYPE)


def _warning(packet: Pullable) -> dict[str, str]:
    """RFC 7234, 5.5, in ASCII: headers carry nothing else."""
    if packet.state != PacketState.YANKED:
        return {}
    text = f"yanked: {packet.reason}".encode("ascii", "backslashreplace").decode()
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return {"Warning": f'299 m2kt "{quoted}"'}
