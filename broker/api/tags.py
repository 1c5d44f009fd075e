"""Tags: words that help to find a packet. Nobody signs them, and they change nothing about it."""

from fastapi import APIRouter, status

from broker.schemas.types import PacketRef, TagText
from broker.services import search
from broker.web.deps import CallerDep, SessionDep
from broker.web.problems import documented

router = APIRouter(prefix="/v1/packets/{packet_id}/tags", tags=["packets"])


@router.put("/{tag}", status_code=status.HTTP_204_NO_CONTENT, responses=documented(401, 403, 404, 409))
def put(packet_id: PacketRef, tag: TagText, caller: CallerDep, session: SessionDep) -> None:
    """Put a tag on a packet; again changes nothing. Its publisher, its signers and administrators may."""
    search.tag(session, packet_id, tag, caller)


@router.delete("/{tag}", status_code=status.HTTP_204_NO_CONTENT, responses=documented(401, 403, 404))
def remove(packet_id: PacketRef, tag: TagText, caller: CallerDep, session: SessionDep) -> None:
    """Take a tag off; again changes nothing."""
    search.untag(session, packet_id, tag, caller)
