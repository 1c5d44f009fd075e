"""Tags: words that help to find a packet. Nobody signs them, and they change nothing about it."""

from typing import Annotated

from fastapi import APIRouter, Depends, status

from broker.schemas.types import PacketRef, TagText
from broker.services import search
from broker.services.agents import PUBLISHING, Principal
from broker.web.deps import SessionDep, allow
from broker.web.problems import documented

SignerDep = Annotated[Principal, Depends(allow(*sorted(PUBLISHING)))]

router = APIRouter(prefix="/v1/packets/{packet_id}/tags", tags=["packets"])


@router.put("/{tag}", status_code=status.HTTP_204_NO_CONTENT, responses=documented(401, 403, 404, 409))
def put(packet_id: PacketRef, tag: TagText, caller: SignerDep, session: SessionDep) -> None:
    """Put a tag on a packet; again changes nothing. Its publisher, its signers and administrators may."""
    search.tag(session, packet_id, tag, caller)


@router.delete("/{tag}", status_code=status.HTTP_204_NO_CONTENT, responses=documented(401, 403, 404))
def remove(packet_id: PacketRef, tag: TagText, caller: SignerDep, session: SessionDep) -> None:
    """Take a tag off; again changes nothing."""
    search.untag(session, packet_id, tag, caller)
