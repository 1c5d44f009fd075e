"""What needs attention, and what there is."""

from fastapi import Response

from broker.dashboard.render import page
from broker.dashboard.route import router as pages
from broker.services import attention
from broker.web.deps import ContextDep, SessionDep
from broker.web.people import ViewerDep

router = pages()


@router.get("/")
def overview(person: ViewerDep, session: SessionDep, context: ContextDep) -> Response:
    needs = attention.needs(session, person.scope, context.keeper, beat_seconds=context.settings.beat_seconds)
    return page(person, "overview.html", "overview", needs=needs, counts=attention.states(session, person.scope))
