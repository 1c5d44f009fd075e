"""The list of packets, and the page of one: may I trust this?"""

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

from broker.dashboard.render import render
from broker.models import PacketState
from broker.schemas.types import PacketRef
from broker.services import health, provenance, search
from broker.services.search import Filters
from broker.web.deps import ContextDep, PublicScopeDep, SessionDep
from broker.web.paging import PagingDep

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/")
def index(scope: PublicScopeDep, session: SessionDep, paging: PagingDep, state: PacketState | None = None) -> Response:
    rows = search.page(session, scope, Filters(state=state), before=paging.cursor, limit=paging.one_more)
    shown = rows[: paging.limit]
    return render(
        "packets.html",
        packets=shown,
        counts=health.packets_by_state(session, scope),
        state=state,
        next_cursor=shown[-1].seq if len(rows) > len(shown) else None,
    )


@router.get("/packets/{packet_id}")
def packet(packet_id: PacketRef, _: PublicScopeDep, session: SessionDep, context: ContextDep) -> Response:
    brokers = (*context.keeper.former, context.desk.key.public_key())
    found = provenance.of_packet(session, packet_id, context.desk.standing, brokers)
    return render("packet.html", page=found, packet=found.packet, manifest=found.packet.manifest)
