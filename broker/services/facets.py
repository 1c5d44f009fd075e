"""What a search could be narrowed to: values among the newest matches. No count of everything, which would cost more
with every version."""

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from broker.models import Packet, PacketTag
from broker.services import search
from broker.services.scopes import Scope
from broker.services.search import Filters

AMONG = 500
MOST = 8


@dataclass(frozen=True)
class Facet:
    """The parameter of the search, and its most frequent values with how often they occur."""

    name: str
    values: list[tuple[str, int]]


def of(session: Session, scope: Scope, filters: Filters) -> list[Facet]:
    """Domains, teachers and tags among the newest `AMONG` matches."""
    matching = search.matching(scope, filters, before=None, limit=AMONG)
    some = matching.with_only_columns(Packet.seq, Packet.domain_name, Packet.teacher_name).subquery()
    found = []
    for name, column in (("domain", some.c.domain_name), ("teacher", some.c.teacher_name)):
        rows = session.execute(select(column, func.count()).group_by(column).order_by(func.count().desc(), column))
        found.append(Facet(name, [(value, count) for value, count in rows.fetchmany(MOST)]))
    tagged = select(PacketTag.tag, func.count()).join(some, some.c.seq == PacketTag.packet_seq).group_by(PacketTag.tag)
    rows = session.execute(tagged.order_by(func.count().desc(), PacketTag.tag).limit(MOST))
    return [*found, Facet("tag", [(value, count) for value, count in rows])]
