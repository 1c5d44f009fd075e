"""Publishing, listing, showing and revoking packets."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response, status
from sqlalchemy.orm import Session

from broker.db import transaction
from broker.models import Packet, PacketState
from broker.schemas.channels import VersionText
from broker.schemas.leases import Fence, SessionId
from broker.schemas.packets import PacketDetail, PacketOut, PacketPage, RevokeIn
from broker.schemas.types import DomainText, PacketName, PacketRef, ProjectName, SearchText, TagText, TeacherText
from broker.services import leases, packets, publishing, search
from broker.services.agents import PUBLISHING, Principal
from broker.services.leases import Held
from broker.services.publishing import Published
from broker.services.search import Filters
from broker.services.versions import exact, latest
from broker.web.deps import Body, ContextDep, DeskDep, PublicScopeDep, PublisherDep, SessionDep, allow, binary_body
from broker.web.once import OnceDep
from broker.web.paging import PagingDep, cut
from broker.web.problems import documented
from m2kt.errors import UsageError

MEDIA_TYPE = "application/vnd.m2kt.packet"
_BODY = {
    "requestBody": {
        "required": True,
        "content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}},
    }
}

LOCATION = {"Location": {"schema": {"type": "string"}, "description": "the packet's own address"}}
PacketDep = Annotated[Body, Depends(binary_body(MEDIA_TYPE))]
ProjectDep = Annotated[
    ProjectName | None, Query(description="for those who are at home in every project: where the packet belongs")
]
SignerDep = Annotated[Principal, Depends(allow(*sorted(PUBLISHING)))]

router = APIRouter(prefix="/v1", tags=["packets"])


async def under_lease(
    job: Annotated[uuid.UUID | None, Query()] = None,
    fence: Annotated[Fence | None, Query()] = None,
    session: Annotated[SessionId | None, Query()] = None,
) -> tuple[str, Held] | None:
    """The lease under which something is written, if the caller names one: whole."""
    if job is None and fence is None and session is None:
        return None
    if job is None or fence is None or session is None:
        raise UsageError("a lease has a job, a fence and a session", hint="Name all three, or none.")
    return session, Held(job, fence)


LeaseDep = Annotated[tuple[str, Held] | None, Depends(under_lease)]


@router.post(
    "/packets",
    status_code=status.HTTP_201_CREATED,
    response_model=PacketOut,
    responses={
        201: {"headers": LOCATION},
        200: {"model": PacketOut, "description": "it was there", "headers": LOCATION},
        **documented(401, 403, 409, 415),
    },
    openapi_extra=_BODY,
)
def publish(
    body: PacketDep,
    signed: PublisherDep,
    context: ContextDep,
    once: OnceDep,
    lease: LeaseDep,
    project: ProjectDep = None,
) -> Response:
    """Publish a packet. Idempotent by packet id; a new valid signature on a known packet is added to it. With an
    ``Idempotency-Key`` the same bytes get the same answer again, whatever has happened to the packet meanwhile. With
    ``job``, ``fence`` and ``session`` only while that lease is held."""
    asked = f"{body.digest} {project}" if project else body.digest
    publisher, desk = signed.principal, context.desk
    # The transaction is this function's own: as a dependency it would cost two hops between threads.
    with transaction(context.sessions, context.ring) as session:
        if (before := once.before(session, publisher, asked)) is not None:
            return before
        if lease is not None:
            leases.require(session, publisher, *lease, context.settings.lease_seconds)
        published = publishing.publish(
            session,
            desk,
            body.data,
            publisher=publisher,
            project=project,
            digest=body.digest,
            at=signed.at,
            expected=True,  # broker.web.access.STORING
        )
        answer = answer_published(session, published)
        once.keep(session, publisher, asked, answer)
    return answer


def answer_published(session: Session, published: Published) -> Response:
    """201 with the packet's address; 200 for one that was there."""
    packet = published.packet
    known = published.signatures or packets.signatures(session, [packet.packet_id])[packet.packet_id]
    said = PacketOut.of(packet, known).model_dump_json()
    code = status.HTTP_201_CREATED if published.fresh else status.HTTP_200_OK
    headers = {"Location": f"/v1/packets/{packet.packet_id}"}
    return Response(said, code, headers, media_type="application/json")


@router.get("/packets", responses=documented())
def list_packets(
    scope: PublicScopeDep,
    session: SessionDep,
    paging: PagingDep,
    response: Response,
    name: Annotated[PacketName | None, Query()] = None,
    state: PacketState | None = None,
    domain: Annotated[DomainText | None, Query(description="`name`, or `name@version`")] = None,
    teacher: Annotated[TeacherText | None, Query(description="its name, or `sha256:` and its weights' digest")] = None,
    tag: Annotated[TagText | None, Query()] = None,
    q: Annotated[SearchText | None, Query(description="words of name, version, domain, kind and teacher")] = None,
    yanked: bool = False,
) -> PacketPage:
    """Packets, newest first; ``Link`` names the next page. Several filters must all hold. What was yanked is listed
    when it is asked for: by ``yanked``, or as a state."""
    filters = Filters(name, state, domain, teacher, tag, q, yanked)
    rows = search.page(session, scope, filters, before=paging.cursor, limit=paging.one_more)
    return _listed(session, cut(rows, paging, lambda row: row.seq, response))


def _listed(session: Session, shown: list[Packet]) -> PacketPage:
    signatures = packets.signatures(session, [each.packet_id for each in shown])
    tags = search.tags(session, shown)
    return PacketPage(items=[PacketOut.of(each, signatures[each.packet_id], tags[each.packet_id]) for each in shown])


@router.get("/packets/{packet_id}", responses=documented(404))
def show(packet_id: PacketRef, _: PublicScopeDep, session: SessionDep) -> PacketDetail:
    """One packet, with its manifest."""
    packet = packets.get(session, packet_id)
    tags = search.tags(session, [packet])[packet_id]
    return PacketDetail.of(packet, packets.signatures(session, [packet_id])[packet_id], tags)


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
    return _listed(session, packets.versions(session, name, yanked=yanked))


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
