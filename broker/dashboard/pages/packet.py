"""The page of one packet: may I trust this?"""

from fastapi import Response

from broker.dashboard.render import page
from broker.dashboard.route import router as pages
from broker.schemas.types import PacketRef
from broker.services import provenance
from broker.web.deps import ContextDep, SessionDep
from broker.web.people import ViewerDep

router = pages()


@router.get("/packets/{packet_id}")
def packet(packet_id: PacketRef, person: ViewerDep, session: SessionDep, context: ContextDep) -> Response:
    brokers = (*context.keeper.former, context.desk.key.public_key())
    found = provenance.of_packet(session, packet_id, context.desk.standing, brokers)
    return page(person, "packet.html", "packets", shown=found, packet=found.packet, manifest=found.packet.manifest)
