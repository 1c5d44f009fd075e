"""What is in a packet: its concepts as a table and as a map, its templates, and what changed between two packets."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import Path, Query, Request, Response
from sqlalchemy.orm import Session

from broker.dashboard.drawing import concepts, template
from broker.dashboard.drawing.svg import PALETTES
from broker.dashboard.pages.packet import whom
from broker.dashboard.render import HEADERS, page
from broker.dashboard.route import router as pages
from broker.models import Packet
from broker.schemas.types import MAX_INT, PacketRef
from broker.services import concept_map, contents, differences, packets, provenance, student_reports, templates
from broker.services.accounts import Person
from broker.services.contents import Contents, Shelf
from broker.services.differences import ConceptChanges
from broker.web.deps import Context, ContextDep, SessionDep
from broker.web.people import ViewerDep
from m2kt.errors import Conflict, M2KTError, NotFound
from m2kt.packet.plane import Plane

router = pages()

ROWS = 50
MOST_CHANGES = 100
DRAWN = "3"
"""Part of every picture's tag: raised whenever a picture of the same packet would look otherwise."""

REPORTS = 25
"""Students whose alignment is listed, the newest first."""

First = Annotated[int, Query(ge=0, le=1_000_000)]
Number = Annotated[int, Path(ge=0, le=1_000_000)]
Report = Annotated[int, Query(ge=0, le=MAX_INT, description="a student's report, by its number")]
Theme = Annotated[Literal["light", "dark"], Query()]

_PICTURES = Shelf(128)
_CHANGES = Shelf(16)


def opened(session: Session, context: Context, packet_id: str) -> Contents:
    packet = packets.get(session, packet_id)
    verdict = provenance.latest_scan(session, packet_id, *whom(context))
    return contents.open_(session, context.desk.store, packet, verdict)


@router.get("/packets/{packet_id}/contents")
def show(
    packet_id: PacketRef,
    person: ViewerDep,
    session: SessionDep,
    context: ContextDep,
    concept: First = 0,
    part: First = 0,
    student: Report = 0,
) -> Response:
    packet = packets.get(session, packet_id)
    found = opened(session, context, packet_id)
    return page(
        person,
        "packet_contents.html",
        "packets",
        packet=packet,
        contents=found,
        rows=contents.rows(found, concept, concept + ROWS),
        first=concept,
        size=ROWS,
        points=len(concepts.drawn(found.count)),
        planes=planes(found),
        shown=templates.view(found, part),
        **_aligned(session, context, found, student),
        drawn=DRAWN,
    )


def planes(found: Contents) -> dict[str, Plane]:
    made = {"states": concept_map.of_states, "readings": concept_map.of_readings}
    return {name: _PICTURES.get((found.packet_id, name), partial(make, found)) for name, make in made.items()}


def _aligned(session: Session, context: Context, found: Contents, student: int) -> dict[str, Any]:
    """Students that say how their alignment went; the map of the one whose report is asked for, else of the newest
    that has one."""
    reports = student_reports.newest(session, found.packet_id, *whom(context), limit=REPORTS)
    planes = {each.said.id: concept_map.of_student(found, each.map) for each in reports if each.map}
    readable = [number for number, plane in planes.items() if plane is not None]
    number = student if student in readable else next(iter(readable), 0)
    by = next((each for each in reports if each.said.id == number), None)
    told = [each for each in reports if each.alignment]
    return {"aligned": told, "readable": readable, "mapped": by, "after": planes.get(number)}


# Pictures: of an address that names the packet, they never change


@router.get("/packets/{packet_id}/maps/{which}")
def draw_map(
    request: Request,
    packet_id: PacketRef,
    which: Literal["states", "readings"],
    _: ViewerDep,
    session: SessionDep,
    context: ContextDep,
    theme: Theme = "light",
) -> Response:
    found = opened(session, context, packet_id)
    label = {"states": "Concepts before an alignment", "readings": "Concepts as an alignment carries them over"}[which]

    def make() -> str:
        classes = found.knowledge.classes.tolist()
        return concepts.draw(planes(found)[which], _named(found), classes, PALETTES[theme], label)

    return _picture(request, packet_id, _PICTURES.get((packet_id, which, theme, DRAWN), make), which, theme)


@router.get("/packets/{packet_id}/alignments/{number}")
def draw_alignment(
    request: Request,
    packet_id: PacketRef,
    number: Annotated[int, Path(ge=1, le=MAX_INT)],
    _: ViewerDep,
    session: SessionDep,
    context: ContextDep,
    theme: Theme = "light",
) -> Response:
    """Where one student says that the concepts lie, in the report with this number."""
    found = opened(session, context, packet_id)
    report = student_reports.one(session, packet_id, number, *whom(context))
    plane = concept_map.of_student(found, report.map) if report else None
    if plane is None:
        raise NotFound(f"no report {number} about this packet has a map of its concepts")
    label = "Concepts where a student says that they lie after its alignment"
    classes = found.knowledge.classes.tolist()
    make = partial(concepts.draw, plane, _named(found), classes, PALETTES[theme], label)
    return _picture(request, packet_id, _PICTURES.get((packet_id, number, theme, DRAWN), make), str(number), theme)


def _named(found: Contents) -> Callable[[int], str]:
    return lambda number: f"{' '.join(found.grounding(number))} → {found.answer(number)}"


@router.get("/packets/{packet_id}/graphs/{number}")
def draw_graph(
    request: Request,
    packet_id: PacketRef,
    number: Number,
    _: ViewerDep,
    session: SessionDep,
    context: ContextDep,
    theme: Theme = "light",
) -> Response:
    found, label = opened(session, context, packet_id), f"Template {number}: abstraction graph"
    make = partial(_of_template, template.draw_graph, found, number, theme, label)
    return _picture(request, packet_id, _PICTURES.get((packet_id, "graph", number, theme, DRAWN), make), "graph", theme)


@router.get("/packets/{packet_id}/heat-maps/{number}")
def draw_heat(
    request: Request,
    packet_id: PacketRef,
    number: Number,
    _: ViewerDep,
    session: SessionDep,
    context: ContextDep,
    theme: Theme = "light",
) -> Response:
    found, label = opened(session, context, packet_id), f"Template {number}: what its decisions depend on"
    make = partial(_of_template, template.draw_heat, found, number, theme, label)
    return _picture(request, packet_id, _PICTURES.get((packet_id, "heat", number, theme, DRAWN), make), "heat", theme)


def _of_template(draw: Callable[..., str], found: Contents, number: int, theme: str, label: str) -> str:
    return draw(templates.view(found, number), PALETTES[theme], label)


def _picture(request: Request, packet_id: str, drawn: str, *what: str) -> Response:
    tag = f'"{packet_id}-{DRAWN}-{"-".join(what)}"'
    headers = {**HEADERS, "Cache-Control": "private, max-age=86400", "ETag": tag}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(drawn, headers=headers, media_type="image/svg+xml")


# Two packets


@router.get("/packets/{packet_id}/difference")
def difference(
    packet_id: PacketRef,
    person: ViewerDep,
    session: SessionDep,
    context: ContextDep,
    against: PacketRef | None = None,
) -> Response:
    """From ``against`` to this packet; without one, from the version before."""
    after = packets.get(session, packet_id)
    versions = provenance.versions(session, after.name)
    before = _other(session, person, against or _previous(versions, packet_id))
    changes, closed = (None, None) if before is None else _concepts(session, context, before, after)
    return page(
        person,
        "packet_difference.html",
        "packets",
        packet=after,
        before=before,
        versions=[each for each in versions if each.packet_id != packet_id],
        fields=differences.of_manifests(before.manifest, after.manifest) if before else [],
        most_fields=differences.MOST_FIELDS,
        changes=changes,
        closed=closed,
        most=MOST_CHANGES,
    )


def _previous(versions: list[provenance.Version], packet_id: str) -> str | None:
    ids = [each.packet_id for each in versions]  # newest first
    later = ids[ids.index(packet_id) + 1 :] if packet_id in ids else ids
    return later[0] if later else None


def _other(session: Session, person: Person, packet_id: str | None) -> Packet | None:
    """The path's packet was asked for by whoever guards paths; this one only here."""
    if packet_id is None:
        return None
    found = packets.get(session, packet_id)
    if not person.scope.has(found.project):
        raise NotFound(f"there is no packet {packet_id}")
    return found


def _concepts(
    session: Session, context: Context, before: Packet, after: Packet
) -> tuple[ConceptChanges | None, M2KTError | None]:
    """What became of the concepts, or why that cannot be said."""
    try:
        one, other = (opened(session, context, each.packet_id) for each in (before, after))
    except Conflict as error:
        return None, error
    key = (before.packet_id, after.packet_id)
    return _CHANGES.get(key, lambda: differences.of_concepts(one, other)), None
