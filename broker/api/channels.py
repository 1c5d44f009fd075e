"""Channels: signed heads, moved by one at a time."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Response, status

from broker.api.ranges import matches
from broker.models import Role
from broker.schemas.channels import ChannelIn, ChannelOut, ChannelPage, ChannelWord, HeadOut, HeadPage, ProvenHeadOut
from broker.schemas.types import PacketName
from broker.services import channels
from broker.services.agents import Principal
from broker.services.channels import Move, Seen
from broker.web.deps import ContextDep, PublicScopeDep, SessionDep, allow
from broker.web.paging import PagingDep, cut
from broker.web.problems import documented

MoverDep = Annotated[Principal, Depends(allow(Role.TEACHER, Role.WORKER, Role.ADMIN))]

router = APIRouter(prefix="/v1", tags=["channels"])


@router.get("/channels", responses=documented())
def list_channels(
    scope: PublicScopeDep,
    session: SessionDep,
    paging: PagingDep,
    response: Response,
    name: Annotated[PacketName | None, Query()] = None,
    channel: Annotated[ChannelWord | None, Query()] = None,
) -> ChannelPage:
    """Channels with their present heads, in the order in which they were made; ``fault`` says which not to follow."""
    after, limit = paging.cursor or 0, paging.one_more
    rows = channels.page(session, scope, after=after, limit=limit, name=name, channel=channel)
    shown = cut(rows, paging, lambda row: row.channel_id, response)
    return ChannelPage(
        items=[ChannelOut.of(each, channels.etag(each), channels.fault(session, each)) for each in shown]
    )


@router.get("/channel-heads", responses=documented())
def list_heads(scope: PublicScopeDep, session: SessionDep, paging: PagingDep, response: Response) -> HeadPage:
    """All heads that there ever were, oldest first: each is an entry of the log."""
    rows = channels.history(session, scope, after=paging.cursor or 0, limit=paging.one_more)
    return HeadPage(items=[HeadOut.of(each) for each in cut(rows, paging, lambda row: row.id, response)])


@router.get(
    "/channels/{name:path}/{channel}",
    response_model=ProvenHeadOut,
    responses={304: {"description": "unchanged"}, **documented(404, 409)},
)
def head(
    name: PacketName,
    channel: ChannelWord,
    _: PublicScopeDep,
    session: SessionDep,
    response: Response,
    if_none_match: Annotated[str | None, Header()] = None,
) -> ProvenHeadOut | Response:
    """The present head. 409 `channel-unusable` when what it leads to is not to be followed any more."""
    found = channels.get(session, name, channel)
    headers = {"ETag": channels.etag(found), "Cache-Control": "no-cache"}
    if matches(if_none_match, headers["ETag"]):
        return Response(status_code=status.HTTP_304_NOT_MODIFIED, headers=headers)
    response.headers.update(headers)
    return ProvenHeadOut.of(found, channels.proof_text(session, found))


@router.put("/channels/{name:path}/{channel}", responses=documented(401, 403, 404, 409, 412, 428))
def move(
    name: PacketName,
    channel: ChannelWord,
    body: ChannelIn,
    caller: MoverDep,
    context: ContextDep,
    session: SessionDep,
    response: Response,
    if_match: Annotated[str | None, Header(max_length=4096)] = None,
    if_none_match: Annotated[str | None, Header(max_length=4096)] = None,
) -> ProvenHeadOut:
    """Lead a channel to an approved version: If-Match with the ETag of the head that you saw, or If-None-Match: * to
    make the channel. For the publisher of the name's first packet, and administrators."""
    seen = Seen.of(if_match, if_none_match)
    life = timedelta(days=context.settings.channel_days)
    wanted = Move(name, channel, body.packet_id, body.version, seen, caller)
    found = channels.move(session, context.desk.key, life, wanted)
    response.headers["ETag"] = channels.etag(found)
    return ProvenHeadOut.of(found)
