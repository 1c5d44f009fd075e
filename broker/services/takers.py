"""Who took a packet: what the broker saw leave, beside what its students say that it did."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from broker.models import OutcomeReport, Pull
from broker.services import pulls, student_reports
from broker.services.agents import Standing
from broker.services.pulls import Pulled
from broker.services.student_reports import StudentReport
from m2kt.signing.keys import PublicKey

ROWS = 25


@dataclass(frozen=True)
class Taker:
    """An agent or a person. Who pulled may not have reported, and a student may have had its bytes from elsewhere."""

    name: str
    pulled: Pulled | None
    report: StudentReport | None


def page(
    session: Session, packet_id: str, standing: Standing, brokers: Sequence[PublicKey], *, after: str = ""
) -> tuple[list[Taker], str | None]:
    """By name, behind ``after``; and where the next page begins."""
    pulled = select(Pull.agent.label("name")).where(Pull.packet_id == packet_id, Pull.agent > after)
    told = select(OutcomeReport.student).where(OutcomeReport.packet_id == packet_id, OutcomeReport.student > after)
    both = pulled.union(told).subquery()
    names = session.scalars(select(both.c.name).order_by(both.c.name).limit(ROWS + 1)).all()
    shown = names[:ROWS]
    seen = pulls.by_agent(session, packet_id, shown)
    reports = {each.student: each for each in student_reports.of_students(session, packet_id, shown, standing, brokers)}
    found = [Taker(name, seen.get(name), reports.get(name)) for name in shown]
    return found, shown[-1] if len(names) > ROWS else None
