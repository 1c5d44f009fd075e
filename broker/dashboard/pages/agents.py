"""Agents: who is here, who is silent, what each holds and has in force; drain, resume, revoke."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import Query, Response

from broker.dashboard.render import page
from broker.dashboard.route import router as pages
from broker.dashboard.route import see_other
from broker.models import Agent, AgentSession
from broker.schemas.types import MAX_INT, AgentName
from broker.services import activations, agents, leases, leaving, sessions
from broker.services.callers import BEATS
from broker.web.deps import ContextDep, DeskDep, SessionDep
from broker.web.forms import FormDep
from broker.web.people import AdministratorDep, OperatorDep, ViewerDep
from m2kt.errors import UsageError

router = pages()

PAGE = 50
After = Annotated[int, Query(ge=0, le=MAX_INT)]


@router.get("/agents")
def index(person: ViewerDep, session: SessionDep, context: ContextDep, after: After = 0) -> Response:
    rows = agents.page(session, person.scope, after=after, limit=PAGE + 1)
    shown = rows[:PAGE]
    present = sessions.present(session, [each.id for each in shown])
    beat = context.settings.beat_seconds
    told = [(each, present.get(each.id), _word(each, present.get(each.id), beat)) for each in shown]
    following = f"/agents?after={shown[-1].id}" if len(rows) > PAGE else None
    return page(person, "agents.html", "agents", agents=told, next=following)


@router.get("/agents/{name}")
def agent(name: AgentName, person: ViewerDep, session: SessionDep, context: ContextDep) -> Response:
    found = agents.find(session, name)
    live = sessions.present(session, [found.id]).get(found.id)
    word = _word(found, live, context.settings.beat_seconds)
    told: dict[str, Any] = {
        "held": leases.held_by(session, name, person.scope),
        "active": activations.of(session, found.id, person.scope),
    }
    return page(person, "agent.html", "agents", agent=found, live=live, word_now=word, **told)


@router.post("/agents/{name}/drain")
def drain(name: AgentName, person: OperatorDep, session: SessionDep) -> Response:
    agents.drain(session, name, wanted=True)
    return see_other(f"/agents/{name}")


@router.post("/agents/{name}/resume")
def resume(name: AgentName, person: OperatorDep, session: SessionDep) -> Response:
    agents.drain(session, name, wanted=False)
    return see_other(f"/agents/{name}")


@router.post("/agents/{name}/revoke")
def revoke(name: AgentName, person: AdministratorDep, session: SessionDep, desk: DeskDep, form: FormDep) -> Response:
    """For good, so its name is to be typed."""
    if form.get("name") != name:
        raise UsageError("the name that you typed is another one", hint=f"Type {name} to revoke it.")
    leaving.revoke(session, desk.key, name)
    return see_other(f"/agents/{name}")


def _word(agent: Agent, live: AgentSession | None, beat_seconds: float) -> str:
    if agent.revoked_at is not None:
        return "revoked"
    if live is None:
        return "absent"
    if datetime.now(UTC) - live.seen > timedelta(seconds=BEATS * beat_seconds):
        return "silent"
    return "draining" if agent.draining is not None else "present"
