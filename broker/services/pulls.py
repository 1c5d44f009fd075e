"""Who had a packet's bytes, and when: noted before the first of them leaves."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from broker.db import Driver
from broker.models import Pull

# An agent that pulls a packet often leaves one row a day: who had it is what matters, and a row for every range
# request of a resumed download would say no more. The commit does not wait for the disk (PostgreSQL 18, 28.4): a server
# that is killed may forget the notes of its last half second, and none of its other rows.
_NOTE = """
    WITH quick AS (SELECT set_config('synchronous_commit', 'off', true))
    INSERT INTO pulls (packet_id, agent, day) SELECT %s, %s, (clock_timestamp() AT TIME ZONE 'UTC')::date FROM quick
    ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True)
class Pulled:
    """What somebody's pulls of one packet come to."""

    first: datetime
    last: datetime
    """The first pull of the last day on which there was one."""
    days: int


def note(connection: Driver, packet_id: str, agent: str) -> None:
    """The first time of a day; later ones change nothing."""
    connection.execute(_NOTE, (packet_id, agent))


def page(session: Session, packet_id: str, *, after: int = 0, limit: int = 200) -> Sequence[Pull]:
    """Of one packet, oldest first."""
    wanted = select(Pull).where(Pull.packet_id == packet_id, Pull.id > after).order_by(Pull.id).limit(limit)
    return session.scalars(wanted).all()


def by_agent(session: Session, packet_id: str, agents: Collection[str]) -> Mapping[str, Pulled]:
    """Those of ``agents`` who pulled it."""
    sums = (func.min(Pull.at), func.max(Pull.at), func.count())
    wanted = select(Pull.agent, *sums).where(Pull.packet_id == packet_id, Pull.agent.in_(agents)).group_by(Pull.agent)
    return {agent: Pulled(first, last, days) for agent, first, last, days in session.execute(wanted)}


def count(session: Session, packet_id: str) -> int:
    """How many agents and people ever had it."""
    return session.scalars(select(func.count(Pull.agent.distinct())).where(Pull.packet_id == packet_id)).one()
