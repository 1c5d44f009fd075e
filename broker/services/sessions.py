"""Sessions: one life of an agent's process. Opening one ends the one before, so that two never act for one agent."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from broker.models import Agent, AgentSession
from broker.services import evictions
from broker.services.agents import Principal
from broker.services.callers import superseded
from broker.services.leases import owner_of
from m2kt.errors import Conflict, Forbidden, SessionEnded

NOW = func.clock_timestamp()


@dataclass(frozen=True)
class Opened:
    session: AgentSession
    now: datetime
    draining: bool


def open_(session: Session, agent: Principal, name: str, host: str | None) -> Opened:
    """Open the session ``name``; the same one again, after a lost answer, changes nothing. What the session before
    had leased is queued again: its process may be gone, and if not, it can write nothing any more."""
    row = _held(session, agent)
    found = _open_one(session, row.id)
    if found is not None and found.session == name:
        return _opened(session, row, found)
    _refuse_old(session, row, name, found)
    if found is not None:
        _end(session, agent.name, found, f"session {row.epoch + 1} of {agent.name} took over", counted=True)
    row.epoch += 1
    made = AgentSession(agent_id=row.id, session=name, epoch=row.epoch, host=host)
    session.add(made)
    session.flush()
    session.refresh(made)
    return _opened(session, row, made)


def close(session: Session, agent: Principal) -> None:
    """End the caller's own session, tidily: what it still holds is due again."""
    if agent.session is None:
        raise Conflict("there is no session to end", hint="Sign the request with the session that is to end.")
    row = _held(session, agent)
    found = _open_one(session, row.id)
    if found is not None and found.session == agent.session:
        _end(session, agent.name, found, f"{agent.name} left", counted=False)


def end_all(session: Session, agent: Agent, why: str) -> None:
    """End an agent's session and every lease that it has, of whichever session."""
    found = _open_one(session, agent.id)
    if found is not None:
        found.closed, found.why = session.scalar(select(NOW)), why
        session.flush()
    evictions.evict(session, owner_of(agent.name, ""), why, counted=False)


def present(session: Session, agent_ids: list[int]) -> dict[int, AgentSession]:
    """The open sessions of these agents."""
    wanted = select(AgentSession).where(AgentSession.agent_id.in_(agent_ids), AgentSession.closed.is_(None))
    return {row.agent_id: row for row in session.scalars(wanted)}


def forget(session: Session, older_than: timedelta) -> None:
    """Drop what ended long ago."""
    session.execute(delete(AgentSession).where(AgentSession.closed < NOW - older_than))


def _held(session: Session, agent: Principal) -> Agent:
    """The caller's row, locked: sessions open one after the other."""
    if agent.agent_id is None:
        raise Forbidden(
            f"{agent.name} is named by the broker's settings and has no sessions",
            hint="Give the agent a key of its own: `m2kt agent enrol`.",
        )
    return session.scalars(
        select(Agent)
        .where(Agent.id == agent.agent_id)
        .with_for_update(of=Agent)
        .execution_options(populate_existing=True)
    ).one()


def _open_one(session: Session, agent_id: int) -> AgentSession | None:
    return session.scalar(select(AgentSession).where(AgentSession.agent_id == agent_id, AgentSession.closed.is_(None)))


def _refuse_old(session: Session, row: Agent, name: str, present: AgentSession | None) -> None:
    """A session that has ended stays so: a process that was replaced cannot take its place back."""
    wanted = select(AgentSession.id).where(AgentSession.agent_id == row.id, AgentSession.session == name)
    if session.scalar(wanted) is None:
        return
    if present is not None:
        raise superseded(row.name, present.epoch, present.host, present.opened)
    raise SessionEnded(f"this session of {row.name} has ended", hint="Start the agent again: it opens a new one.")


def _end(session: Session, name: str, found: AgentSession, why: str, *, counted: bool) -> None:
    session.execute(update(AgentSession).where(AgentSession.id == found.id).values(closed=NOW, why=why))
    evictions.evict(session, owner_of(name, found.session), why, counted=counted)


def _opened(session: Session, row: Agent, found: AgentSession) -> Opened:
    return Opened(found, session.scalars(select(NOW)).one(), row.draining is not None)
