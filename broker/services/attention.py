"""What somebody should look at. Every question ends at a limit, so that it costs the same in a large broker."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
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


_RECALLED = Need(
    "revoked",
    "Students that hold what was taken back: {}",
    "/packets?state=revoked",
    "Their agents obey when they speak next; look who is silent.",
)
_REVIEW = Need(
    "quarantined", "Packets that wait for reviewers: {}", "/reviews", "Read their checks, then approve or reject them."
)
_SCAN = Need(
    "scanning",
    "Packets without a verdict for ten minutes: {}",
    "/packets?state=scanning",
    "Look whether a worker runs: Health.",
)
_JOBS = Need(
    "dead", "Jobs that failed or died within a day: {}", "/jobs?state=dead", "Read their logs, then retry them."
)
_AGENTS = Need("silent", "Agents that are signed in and silent: {}", "/agents", "Look at their hosts, or revoke them.")
_CHANNELS = Need("bad", "Channels that lead nowhere good: {}", "/channels", "Move them to an approved version.")


def counted(session: Session, wanted: Mapping[str, Select[Any]]) -> dict[str, str]:
    """How many rows each of these has, up to `MOST`: all in one statement."""
    some = [select(func.count()).select_from(each.limit(MOST + 1).subquery()) for each in wanted.values()]
    row = session.execute(select(*(each.scalar_subquery() for each in some))).one()
    shown = (f"{MOST:,}+" if count > MOST else str(count) for count in row)
    return dict(zip(wanted, shown, strict=True))


def states(session: Session, scope: Scope) -> dict[str, str]:
    """Versions by state."""
    mine = select(literal(1).label("one")).where(scope.within(Packet.project))
    return counted(session, {each.value: mine.where(Packet.state == each) for each in PacketState})


def needs(session: Session, scope: Scope, keeper: Keeper, *, beat_seconds: float) -> list[Need]:
    """The gravest first."""
    asked = {
        _RECALLED: _held(scope),
        _REVIEW: _waiting(scope),
        _SCAN: _stuck(scope),
        _JOBS: _ended(scope),
        _AGENTS: _silent(scope, beat_seconds),
        _CHANNELS: _unusable(scope),
    }
    counts = counted(session, {need.what: wanted for need, wanted in asked.items()})
    due = [replace(each, what=each.what.format(counts[each.what])) for each in asked if counts[each.what] != "0"]
    return [*_log(session, keeper), *due]


def _log(session: Session, keeper: Keeper) -> list[Need]:
    found = treehead.look(session, keeper)
    if found.fault is None:
        return []
    return [Need("bad", found.fault, "/log", "Trust no proof of this broker before `m2kt log verify` has said why.")]


def _waiting(scope: Scope) -> Select[Any]:
    return select(literal(1).label("one")).where(Packet.state == PacketState.QUARANTINED, scope.within(Packet.project))


def _stuck(scope: Scope) -> Select[Any]:
    early = Packet.state.in_((PacketState.RECEIVED, PacketState.SCANNING))
    return select(literal(1).label("one")).where(early, scope.within(Packet.project), Packet.state_changed < NOW - LATE)


def _ended(scope: Scope) -> Select[Any]:
    ended = Job.finished > NOW - DAY, Job.state.in_((JobState.FAILED, JobState.DEAD))
    return select(literal(1).label("one")).where(*ended, scope.within(Job.project))


def _silent(scope: Scope, beat_seconds: float) -> Select[Any]:
    """Those who spoke within the last day: who is away for longer was probably meant to be."""
    shown = or_(scope.within(Agent.project), Agent.project == EVERY)
    silent = AgentSession.seen < NOW - timedelta(seconds=BEATS * beat_seconds), AgentSession.seen > NOW - DAY
    return (
        select(literal(1).label("one"))
        .join_from(AgentSession, Agent)
        .where(AgentSession.closed.is_(None), *silent, shown)
    )


def _unusable(scope: Scope) -> Select[Any]:
    present = (ChannelHead.channel_id == Channel.id) & (ChannelHead.serial == Channel.serial)
    heads = select(literal(1).label("one")).join_from(Channel, ChannelHead, present)
    heads = heads.join(Packet, Packet.packet_id == ChannelHead.packet_id).where(scope.within(Packet.project))
    return heads.where(or_(ChannelHead.expires <= NOW, Packet.state != PacketState.APPROVED, Packet.good_until <= NOW))


def _held(scope: Scope) -> Select[Any]:
    """Students, by their own last word about a packet that is recalled."""
    taken = Packet.state.in_(RECALLED), Activation.active, scope.within(Packet.project)
    return select(Activation.agent_id).join_from(Activation, Packet).where(*taken).distinct()
