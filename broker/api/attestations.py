"""What was said about a packet, and students' reports of what it did."""

from typing import Any

from fastapi import APIRouter, Depends, Response, status

from broker.models import Role
from broker.schemas.packets import AttestationOut, AttestationPage
from broker.schemas.types import PacketRef
from broker.services import attestations, packets
from broker.web.deps import BodyDep, DeskDep, SessionDep, allow
from broker.web.paging import PagingDep, cut
from broker.web.problems import documented

ENVELOPE = "application/vnd.dsse.envelope.v1+json"
_CONTENT = {ENVELOPE: {"schema": {"type": "object"}}}
_BODY = {"requestBody": {"required": True, "content": _CONTENT}}
_RECEIPT: dict[int | str, dict[str, Any]] = {200: {"content": _CONTENT, "description": "the envelope, as signed"}}

router = APIRouter(prefix="/v1", tags=["provenance"])


@router.get("/packets/{packet_id}/attestations", responses=documented(404))
def list_attestations(
    packet_id: PacketRef, session: SessionDep, paging: PagingDep, response: Response
) -> AttestationPage:
    """Attestations of a packet, oldest first."""
    packets.get(session, packet_id)
    rows = attestations.page(session, packet_id, after=paging.cursor or 0, limit=paging.one_more)
    return AttestationPage(items=[AttestationOut.of(each) for each in cut(rows, paging, lambda row: row.id, response)])


@router.get("/packets/{packet_id}/receipt", response_class=Response, responses={**_RECEIPT, **documented(404)})
def receipt(packet_id: PacketRef, session: SessionDep) -> Response:
    """The broker's latest receipt: a DSSE envelope, its bytes as signed."""
    return Response(attestations.receipt(session, packet_id).envelope, media_type=ENVELOPE)


@router.post(
    "/packets/{packet_id}/outcomes",
    status_code=status.HTTP_201_CREATED,
    responses=documented(401, 403, 404, 409),
    openapi_extra=_BODY,
    dependencies=[Depends(allow(Role.STUDENT, Role.WORKER, Role.ADMIN))],
)
def report_outcome(packet_id: PacketRef, body: BodyDep, desk: DeskDep, session: SessionDep) -> AttestationOut:
    """Report what a packet did to a student: a DSSE envelope that a registered student signed. Idempotent."""
    packet = packets.get(session, packet_id)
    return AttestationOut.of(attestations.report_outcome(session, desk.standing, packet, body))
