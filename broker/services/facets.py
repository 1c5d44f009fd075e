"""What a search could be narrowed to: values among the newest matches. No count of everything, which would cost more
with every version."""

from collections import Counter
from dataclasses import dataclass

from sqlalchemy import ARRAY, BigInteger, any_, literal, select
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
    rows = session.execute(matching.with_only_columns(Packet.seq, Packet.domain_name, Packet.teacher_name)).all()
    among = any_(literal([row.seq for row in rows], ARRAY(BigInteger)))
    tags = session.scalars(select(PacketTag.tag).where(PacketTag.packet_seq == among))
    values = {
        "domain": Counter(row.domain_name for row in rows),
        "teacher": Counter(row.teacher_name for row in rows),
        "tag": Counter(tags),
    }
    return [Facet(name, counts.most_common(MOST)) for name, counts in values.items()]
