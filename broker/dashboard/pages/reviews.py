"""The review queue, and the decision about one packet."""

from typing import Any

from fastapi import Response

from broker.dashboard.render import page
from broker.dashboard.route import router as pages
from broker.dashboard.route import see_other
from broker.models import Packet, PacketState
from broker.schemas.types import Cursor, Line, PacketRef
from broker.services import provenance, reviews, search
from broker.services.approvals import Approvals
from broker.services.search import Filters
from broker.web.deps import Context, ContextDep, SessionDep
from broker.web.forms import FormDep, value
from broker.web.people import OperatorDep, ViewerDep

router = pages()

PAGE = 25


@router.get("/reviews")
def queue(person: ViewerDep, session: SessionDep, context: ContextDep, cursor: Cursor | None = None) -> Response:
    waiting = Filters(state=PacketState.QUARANTINED)
    rows = search.page(session, person.scope, waiting, before=cursor, limit=PAGE + 1)
    agreed = reviews.approvals_of(session, context.desk.standing, [each.packet_id for each in rows[:PAGE]])
    shown = [(each, sorted(agreed[each.packet_id]), _needed(context, each)) for each in rows[:PAGE]]
    following = f"/reviews?cursor={rows[PAGE - 1].seq}" if len(rows) > PAGE else None
    return page(person, "reviews.html", "reviews", waiting=shown, next=following)


@router.get("/packets/{packet_id}/review")
def look(packet_id: PacketRef, person: ViewerDep, session: SessionDep, context: ContextDep) -> Response:
    """What speaks for it and against it, and the form of the decision."""
    brokers = (*context.keeper.former, context.desk.key.public_key())
    shown = provenance.of_packet(session, packet_id, context.desk.standing, brokers)
    agreed = sorted(reviews.approved_by(session, context.desk.standing, packet_id))
    needed = _needed(context, shown.packet)
    told: dict[str, Any] = {"shown": shown, "packet": shown.packet, "agreed": agreed, "needed": needed}
    return page(person, "review.html", "reviews", waits=shown.packet.state == PacketState.QUARANTINED, **told)


@router.post("/packets/{packet_id}/review")
def decide(
    packet_id: PacketRef, person: OperatorDep, session: SessionDep, context: ContextDep, form: FormDep
) -> Response:
    """The broker signs the decision, with the name of who made it."""
    desk, required = context.desk, _required(context)
    decision, reason = form.get("decision", ""), value(form, "reason", Line)
    reviews.review_here(session, desk.key, desk.standing, packet_id, person, decision, reason, required=required)
    return see_other(f"/packets/{packet_id}/review")


def _needed(context: Context, packet: Packet) -> int:
    """How many must approve it; what waits because of its lineage needs one, whatever the policy."""
    return max(1, _required(context).needed(packet))


def _required(context: Context) -> Approvals:
    return Approvals(context.settings.required_approvals, context.settings.approvals)
