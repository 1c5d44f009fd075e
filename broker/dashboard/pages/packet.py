"""The page of one packet: may I trust this? And what may be done about it."""

from typing import Annotated

from fastapi import Query, Response

from broker.dashboard.drawing import interval, lineage
from broker.dashboard.render import page
from broker.dashboard.route import router as pages
from broker.dashboard.route import see_other
from broker.schemas.types import MAX_INT, AgentName, Line, PacketRef
from broker.services import contents, neighbourhoods, outcomes, packets, provenance, pulls, recalls, takers
from broker.services.agents import Standing
from broker.services.verification import STEPS
from broker.web.deps import Context, ContextDep, SessionDep
from broker.web.forms import FormDep, value
from broker.web.people import OperatorDep, ViewerDep
from m2kt.signing.keys import PublicKey

router = pages()

Steps = Annotated[int, Query(ge=0, le=64)]
Row = Annotated[int, Query(ge=0, le=10_000)]
Before = Annotated[int | None, Query(ge=1, le=MAX_INT)]
IN_BROWSER = [(name, asks) for name, asks in STEPS if name != "stored-bytes"]


def whom(context: Context) -> tuple[Standing, tuple[PublicKey, ...]]:
    """Whose keys are known without asking the database: those of the settings, and the broker's."""
    return context.desk.standing, (context.desk.key.public_key(), *context.keeper.former)


@router.get("/packets/{packet_id}")
def packet(
    packet_id: PacketRef,
    person: ViewerDep,
    session: SessionDep,
    context: ContextDep,
    up: Steps = 1,
    down: Steps = 1,
    row: Row = 0,
    trail: Before = None,
    students: AgentName | None = None,
) -> Response:
    found = provenance.of_packet(session, packet_id, *whom(context), before=trail)
    around = neighbourhoods.around(session, packet_id, person.scope, up=up, down=down, row=row)
    taken, following = takers.page(session, packet_id, *whom(context), after=students or "")
    return page(
        person,
        "packet.html",
        "packets",
        shown=found,
        packet=found.packet,
        manifest=found.packet.manifest,
        closed=contents.why_closed(found.packet, found.latest),
        around=around,
        picture=lineage.draw(around),
        takers=taken,
        pullers=pulls.count(session, packet_id),
        following=following,
        sum=outcomes.of_packet(session, packet_id),
        interval=interval.draw,
        steps=IN_BROWSER,
        broker=context.settings.public_url,
        bytes_for=person.may("auditor") and bool(person.name),
        may_undo=found.packet.state == "yanked",
    )


@router.post("/packets/{packet_id}/revoke")
def revoke(
    packet_id: PacketRef, person: OperatorDep, session: SessionDep, context: ContextDep, form: FormDep
) -> Response:
    """For good: what was made of it is quarantined, its students are told. The second time changes nothing."""
    key = context.desk.key
    reason = value(form, "reason", Line)
    packets.revoke(session, key, packet_id, reason=reason, by=person.acting(key.public_key()))
    return see_other(f"/packets/{packet_id}#verdict")


@router.post("/packets/{packet_id}/yank")
def yank(
    packet_id: PacketRef, person: OperatorDep, session: SessionDep, context: ContextDep, form: FormDep
) -> Response:
    key = context.desk.key
    reason = value(form, "reason", Line)
    packets.yank(session, key, packet_id, reason=reason, by=person.acting(key.public_key()))
    return see_other(f"/packets/{packet_id}#verdict")


@router.post("/packets/{packet_id}/unyank")
def unyank(
    packet_id: PacketRef, person: OperatorDep, session: SessionDep, context: ContextDep, form: FormDep
) -> Response:
    key = context.desk.key
    reason = value(form, "reason", Line)
    packets.unyank(session, key, packet_id, reason=reason, by=person.acting(key.public_key()))
    return see_other(f"/packets/{packet_id}#verdict")


@router.get("/packets/{packet_id}/take-back")
def take_back(packet_id: PacketRef, person: OperatorDep, session: SessionDep) -> Response:
    """What revoking would touch, before it is done."""
    found = packets.get(session, packet_id)
    below = neighbourhoods.around(session, packet_id, person.scope, up=0, down=64)
    held = recalls.holders(session, [packet_id, *(each.packet_id for each in below.drawn)])
    return page(person, "packet_take_back.html", "packets", packet=found, below=below, held=held)
