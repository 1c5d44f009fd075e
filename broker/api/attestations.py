"""What was said about a packet, and students' reports of what it did."""

from fastapi import APIRouter, Depends, Response, status

from broker.models import Role
from broker.schemas.packets import AttestationOut, AttestationPage, ReceiptOut
from broker.schemas.types import PacketRef
from broker.services import attestations, outcomes, packets, reviews
from broker.services.approvals import Approvals
from broker.web.deps import BodyDep, ContextDep, DeskDep, PublicScopeDep, SessionDep, allow
from broker.web.paging import PagingDep, cut
from broker.web.problems import documented

ENVELOPE = "application/vnd.dsse.envelope.v1+json"
_CONTENT = {ENVELOPE: {"schema": {"type": "object"}}}
_BODY = {"requestBody": {"required": True, "content": _CONTENT}}

router = APIRouter(prefix="/v1", tags=["provenance"])


@router.get("/packets/{packet_id}/attestations", responses=documented(404))
def list_attestations(
    packet_id: PacketRef, _: PublicScopeDep, session: SessionDep, paging: PagingDep, response: Response
) -> AttestationPage:
    """Attestations of a packet, oldest first."""
    packets.get(session, packet_id)
    rows = attestations.page(session, packet_id, after=paging.cursor or 0, limit=paging.one_more)
    return AttestationPage(items=[AttestationOut.of(each) for each in cut(rows, paging, lambda row: row.id, response)])


@router.get("/packets/{packet_id}/receipt", responses=documented(404))
def receipt(packet_id: PacketRef, _: PublicScopeDep, session: SessionDep) -> ReceiptOut:
    """The broker's latest receipt, and the proof that it stands in the log: null until the sequencer has been there."""
    found = attestations.receipt(session, packet_id)
    return ReceiptOut.of(found, attestations.proof_text(session, found))


@router.post(
    "/packets/{packet_id}/reviews",
    status_code=status.HTTP_201_CREATED,
    responses=documented(401, 403, 404, 409),
    openapi_extra=_BODY,
    dependencies=[Depends(allow(Role.REVIEWER))],
)
def review(packet_id: PacketRef, body: BodyDep, context: ContextDep, session: SessionDep) -> AttestationOut:
    """Approve or reject a packet that waits for reviewers: a DSSE envelope that a registered reviewer signed."""
    desk, required = context.desk, Approvals(context.settings.required_approvals, context.settings.approvals)
    return AttestationOut.of(reviews.review(session, desk.key, desk.standing, packet_id, body, required=required))


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
    return AttestationOut.of(outcomes.report(session, desk.standing, packet, body))
