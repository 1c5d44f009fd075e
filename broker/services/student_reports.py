"""What a packet did to each student, in the student's own signed words. Who pulled it and never reported is not known:
pulls leave no trace at a broker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from broker.models import Attestation, OutcomeReport
from broker.services import outcomes, statements
from broker.services.agents import Standing
from broker.services.signers import Known
from broker.services.statements import Said
from m2kt.errors import SignatureError
from m2kt.signing.keys import PublicKey

ROWS = 25
ALIGNED = ("agreement", "residual", "l_align", "shared_symbols", "concepts_left_out")
"""What a student says about its alignment, beside what it did to it."""


@dataclass(frozen=True)
class StudentReport:
    """A student's last report. Figures are those that it signed; none of a report that does not verify."""

    student: str
    held: bool
    said: Said
    decision: str
    reason: str
    figures: Mapping[str, float | None]
    alignment: Mapping[str, str]


def page(
    session: Session, packet_id: str, standing: Standing, brokers: Sequence[PublicKey], *, after: str = ""
) -> tuple[list[StudentReport], str | None]:
    """The last report of each student, by name, behind ``after``; and where the next page begins."""
    columns = (OutcomeReport.student, OutcomeReport.held, OutcomeReport.attestation_id)
    last = select(*columns).where(OutcomeReport.packet_id == packet_id, OutcomeReport.student > after)
    last = last.ext(distinct_on(OutcomeReport.student)).order_by(
        OutcomeReport.student, OutcomeReport.attestation_id.desc()
    )
    rows = session.execute(last.limit(ROWS + 1)).all()
    shown = rows[:ROWS]
    held = {row.id: row for row in session.scalars(_of(row.attestation_id for row in shown))}
    known = Known(session, {row.signer for row in held.values()}, standing, brokers)
    said = {each.id: each for each in statements.read(session, list(held.values()), known)}
    found = [_report(row.student, row.held, said[row.attestation_id]) for row in shown if row.attestation_id in said]
    return found, shown[-1].student if len(rows) > ROWS else None


def _of(ids: Any) -> Any:
    return select(Attestation).where(Attestation.id.in_(list(ids)))


def _report(student: str, held: bool, said: Said) -> StudentReport:
    told = said.predicate
    aligned = told.get("alignment")
    aligned = aligned if isinstance(aligned, Mapping) else {}
    return StudentReport(
        student,
        held,
        said,
        str(told.get("decision", "")),
        str(told.get("reason", "")),
        _figures(told),
        {name: str(aligned[name]) for name in ALIGNED if isinstance(aligned.get(name), str | int)},
    )


def _figures(told: Mapping[str, Any]) -> Mapping[str, float | None]:
    try:
        return outcomes.figures(told)
    except SignatureError:  # a report from before figures were checked
        return outcomes.figures({})
