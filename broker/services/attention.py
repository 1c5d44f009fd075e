"""What somebody should look at. Every question ends at a limit, so that it costs the same in a large broker."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Select, func, literal, or_, select
from sqlalchemy.orm import Session

from broker.models import Activation, Agent, AgentSession, Channel, ChannelHead, Job, JobState, Packet, PacketState
from broker.services import treehead
from broker.services.callers import BEATS
from broker.services.recalls import RECALLED
from broker.services.scopes import EVERY, Scope
from broker.services.sequencer import Keeper

MOST = 1000
"""So far things are counted; beyond it, "more than" is all that anybody wants to know."""

NOW = func.clock_timestamp()
LATE = timedelta(minutes=10)
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Need:
    """``word``: of `words.html`; ``address``: where it can be dealt with."""

    word: str
    what: str
    address: str
    next: str


def counted(session: Session, wanted: Select[Any]) -> str:
    """How many rows there are, up to `MOST`."""
    some = session.scalars(select(func.count()).select_from(wanted.limit(MOST + 1).subquery())).one()
    return f"{MOST:,}+" if some > MOST else str(some)


def states(session: Session, scope: Scope) -> dict[str, str]:
    """Versions by state."""
    rows = {each: select(literal(1)).where(Packet.state == each, scope.within(Packet.project)) for each in PacketState}
    return {each.value: counted(session, wanted) for each, wanted in rows.items()}


def needs(session: Session, scope: Scope, keeper: Keeper, *, beat_seconds: float) -> list[Need]:
    """The gravest first."""
    asked = (
        *_log(session, keeper),
        _of(session, _held(scope), "revoked", "{} students hold what was taken back", "/packets?state=revoked",
            "Their agents obey when they speak next; look who is silent."),
        _of(session, _waiting(scope), "quarantined", "{} packets wait for reviewers", "/reviews",
            "Read their checks, then approve or reject them."),
        _of(session, _stuck(scope), "scanning", "{} packets have no verdict yet", "/packets?state=scanning",
            "Look whether a worker runs: Health."),
        _of(session, _ended(scope), "dead", "{} jobs failed or died today", "/jobs?state=dead",
            "Read their logs, then retry them."),
        _of(session, _silent(scope, beat_seconds), "silent", "{} agents are signed in and silent", "/agents",
            "Look at their hosts, or revoke them."),
        _of(session, _unusable(scope), "bad", "{} channels lead nowhere good", "/channels",
            "Move them to an approved version."),
    )  # fmt: skip
    return [each for each in asked if each is not None]


def _of(session: Session, wanted: Select[Any], word: str, what: str, address: str, next_: str) -> Need | None:
    count = counted(session, wanted)
    return None if count == "0" else Need(word, what.format(count), address, next_)


def _log(session: Session, keeper: Keeper) -> list[Need]:
    found = treehead.look(session, keeper)
    if found.fault is None:
        return []
    return [Need("bad", found.fault, "/log", "Trust no proof of this broker before `m2kt log verify` has said why.")]


def _waiting(scope: Scope) -> Select[Any]:
    return select(literal(1)).where(Packet.state == PacketState.QUARANTINED, scope.within(Packet.project))


def _stuck(scope: Scope) -> Select[Any]:
    early = Packet.state.in_((PacketState.RECEIVED, PacketState.SCANNING))
    return select(literal(1)).where(early, scope.within(Packet.project), Packet.state_changed < NOW - LATE)


def _ended(scope: Scope) -> Select[Any]:
    ended = Job.finished > NOW - DAY, Job.state.in_((JobState.FAILED, JobState.DEAD))
    return select(literal(1)).where(*ended, scope.within(Job.project))


def _silent(scope: Scope, beat_seconds: float) -> Select[Any]:
    """Those who spoke within the last day: who is away for longer was probably meant to be."""
    shown = or_(scope.within(Agent.project), Agent.project == EVERY)
    silent = AgentSession.seen < NOW - timedelta(seconds=BEATS * beat_seconds), AgentSession.seen > NOW - DAY
    return select(literal(1)).join_from(AgentSession, Agent).where(AgentSession.closed.is_(None), *silent, shown)


def _unusable(scope: Scope) -> Select[Any]:
    present = (ChannelHead.channel_id == Channel.id) & (ChannelHead.serial == Channel.serial)
    heads = select(literal(1)).join_from(Channel, ChannelHead, present)
    heads = heads.join(Packet, Packet.packet_id == ChannelHead.packet_id).where(scope.within(Packet.project))
    return heads.where(or_(ChannelHead.expires <= NOW, Packet.state != PacketState.APPROVED, Packet.good_until <= NOW))


def _held(scope: Scope) -> Select[Any]:
    """Students, by their own last word about a packet that is recalled."""
    taken = Packet.state.in_(RECALLED), Activation.active, scope.within(Packet.project)
    return select(Activation.agent_id).join_from(Activation, Packet).where(*taken).distinct()
