"""Publishing, listing, showing and revoking packets."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response, status

from broker.models import PacketState
from broker.schemas.channels import VersionText
from broker.schemas.packets import PacketDetail, PacketOut, PacketPage, RevokeIn
from broker.schemas.types import DomainText, PacketName, PacketRef, ProjectName
from broker.services import packets, publishing
from broker.services.agents import PUBLISHING, Principal
from broker.services.versions import exact, latest
from broker.web.deps import DeskDep, PublicScopeDep, PublisherDep, SessionDep, UploadDep, allow
from broker.web.paging import PagingDep, cut
from broker.web.problems import documented

MEDIA_TYPE = "application/vnd.m2kt.packet"
_BODY = {
    "requestBody": {
        "required": True,
        "content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}},
    }
}

SignerDep = Annotated[Principal, Depends(allow(*sorted(PUBLISHING)))]

router = APIRouter(prefix="/v1", tags=["packets"])


@router.post(
    "/packets",
    status_code=status.HTTP_201_CREATED,
    responses={200: {"model": PacketOut, "description": "it was there"}, **documented(401, 403, 409)},
    openapi_extra=_BODY,
)
def publish(
    data: UploadDep,
    signed: PublisherDep,
    desk: DeskDep,
    session: SessionDep,
    response: Response,
    project: Annotated[ProjectName | None, Query()] = None,
) -> PacketOut:
    """Publish a packet. Idempotent by packet id; a new valid signature on a known packet is added to it. ``project`` is
    for those who are at home in every one."""
    published = publishing.publish(session, desk, data, publisher=signed.principal, project=project)
    packet = published.packet
    response.headers["Location"] = f"/v1/packets/{packet.packet_id}"
    if not published.fresh:
        response.status_code = status.HTTP_200_OK
    return PacketOut.of(packet, packets.signatures(session, [packet.packet_id])[packet.packet_id])


@router.get("/packets", responses=documented())
def list_packets(
    scope: PublicScopeDep,
    session: SessionDep,
    paging: PagingDep,
    response: Response,
    name: Annotated[PacketName | None, Query()] = None,
    state: PacketState | None = None,
    domain: Annotated[DomainText | None, Query()] = None,
    yanked: bool = False,
) -> PacketPage:
    """Packets, newest first; ``Link`` names the next page. What was yanked is listed when it is asked for: by
    ``yanked``, or as a state."""
    before, limit = paging.cursor, paging.one_more
    rows = packets.page(
        session, scope, before=before, limit=limit, name=name, state=state, domain=domain, yanked=yanked
    )
    shown = cut(rows, paging, lambda row: row.seq, response)
    signatures = packets.signatures(session, [each.packet_id for each in shown])
    return PacketPage(items=[PacketOut.of(each, signatures[each.packet_id]) for each in shown])


@router.get("/packets/{packet_id}", responses=documented(404))
def show(packet_id: PacketRef, _: PublicScopeDep, session: SessionDep) -> PacketDetail:
    """One packet, with its manifest."""
    packet = packets.get(session, packet_id)
    return PacketDetail.of(packet, packets.signatures(session, [packet_id])[packet_id])


@router.post("/packets/{packet_id}/revoke", responses=documented(401, 403, 404, 409))
def revoke(packet_id: PacketRef, body: RevokeIn, caller: SignerDep, desk: DeskDep, session: SessionDep) -> PacketOut:
    """Take a packet back, for good: pulls answer 410 with this reason from now on."""
    packet = packets.revoke(session, desk.key, packet_id, reason=body.reason, by=caller)
    return PacketOut.of(packet, packets.signatures(session, [packet_id])[packet_id])


@router.post("/packets/{packet_id}/yank", responses=documented(401, 403, 404, 409))
def yank(packet_id: PacketRef, body: RevokeIn, caller: SignerDep, desk: DeskDep, session: SessionDep) -> PacketOut:
    """Advise against a packet: pulls by its id go on with a `Warning`, lists and channels lead to it no more."""
    packet = packets.yank(session, desk.key, packet_id, reason=body.reason, by=caller)
    return PacketOut.of(packet, packets.signatures(session, [packet_id])[packet_id])


@router.post("/packets/{packet_id}/unyank", responses=documented(401, 403, 404, 409))
def unyank(packet_id: PacketRef, body: RevokeIn, caller: SignerDep, desk: DeskDep, session: SessionDep) -> PacketOut:
    """Take that advice back."""
    packet = packets.unyank(session, desk.key, packet_id, reason=body.reason, by=caller)
    return PacketOut.of(packet, packets.signatures(session, [packet_id])[packet_id])


@router.get("/names/{name:path}/versions", responses=documented(404))
def versions(name: PacketName, _: PublicScopeDep, session: SessionDep, yanked: bool = False) -> PacketPage:
    """All versions of a name, newest first; with ``yanked`` also those."""
    rows = packets.versions(session, name, yanked=yanked)
    signatures = packets.signatures(session, [each.packet_id for each in rows])
    return PacketPage(items=[PacketOut.of(each, signatures[each.packet_id]) for each in rows])


@router.get("/names/{name:path}/versions/{version}", responses=documented(404))
def exact_version(name: PacketName, version: VersionText, _: PublicScopeDep, session: SessionDep) -> PacketDetail:
    """One version, whatever its state: how one finds what was yanked."""
    packet = exact(session, name, version)
    return PacketDetail.of(packet, packets.signatures(session, [packet.packet_id])[packet.packet_id])


@router.get("/names/{name:path}/latest", responses=documented(404))
def latest_version(name: PacketName, _: PublicScopeDep, session: SessionDep, pre: bool = False) -> PacketDetail:
    """The highest approved version (semantic versioning 2.0.0); with ``pre``, or where there is nothing else,
    pre-releases count."""
    packet = latest(session, name, pre=pre)
    return PacketDetail.of(packet, packets.signatures(session, [packet.packet_id])[packet.packet_id])
