"""Finding packets: words, facets, nearest concepts."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import Path, Response

from broker.dashboard.render import page
from broker.dashboard.route import router as pages
from broker.models import PacketState
from broker.schemas.types import Cursor, FilterText, PacketRef, PageSize
from broker.services import concepts, facets, packets, search
from broker.services.search import Filters
from broker.web.deps import SessionDep
from broker.web.people import ViewerDep
from m2kt.errors import M2KTError

router = pages()


@router.get("/packets")
def index(
    person: ViewerDep,
    session: SessionDep,
    q: FilterText = "",
    state: FilterText = "",
    domain: FilterText = "",
    teacher: FilterText = "",
    tag: FilterText = "",
    name: FilterText = "",
    cursor: Cursor | None = None,
    limit: PageSize = 50,
) -> Response:
    """Fields that are empty ask for nothing: forms send them all."""
    asked = {"q": q, "state": state, "domain": domain, "teacher": teacher, "tag": tag, "name": name}
    told = {word: text for word, text in asked.items() if text}
    filters = Filters(
        name=told.get("name"),
        state=PacketState(state) if state in set(PacketState) else None,
        domain=told.get("domain"),
        teacher=told.get("teacher"),
        tag=told.get("tag"),
        words=told.get("q"),
        yanked=True,
    )
    rows = search.page(session, person.scope, filters, before=cursor, limit=limit + 1)
    shown = rows[:limit]
    following = {**told, "cursor": str(shown[-1].seq), "limit": str(limit)} if len(rows) > limit else None
    return page(
        person,
        "packets.html",
        "packets",
        packets=shown,
        tags=search.tags(session, shown),
        asked=asked,
        states=list(PacketState),
        facets=facets.of(session, person.scope, filters),
        query=lambda **changed: urlencode({**told, **changed}),
        next=f"/packets?{urlencode(following)}" if following else None,
    )


@router.get("/packets/{packet_id}/concepts/{concept}")
def nearest(
    packet_id: PacketRef,
    concept: Annotated[int, Path(ge=0, le=2**31 - 1)],
    person: ViewerDep,
    session: SessionDep,
) -> Response:
    """What holds something like this concept, in the space of the same teacher."""
    packet = packets.get(session, packet_id)
    found, fault = None, None
    try:
        found = concepts.nearest(session, packet_id, concept, 25, person.scope)
    except M2KTError as error:
        if error.status >= 500 and error.status != 501:
            raise
        fault = error
    return page(person, "nearest.html", "packets", packet=packet, concept=concept, found=found, fault=fault)
