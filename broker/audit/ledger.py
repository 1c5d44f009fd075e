"""Jobs against their events: an old version of a row, or of a job's story, does not fit the other."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from broker.models import LIVE, Job, JobEvent, JobState
from m2kt.client.statements import Report

ENDED = [each.value for each in JobState if each not in LIVE]
BITE = 500


def check(session: Session, report: Report) -> int:
    """Every job; returns how many there are."""
    ends = func.array_agg(JobEvent.what).filter(JobEvent.what.in_(ENDED), JobEvent.fence == Job.fence)
    wanted = (
        select(Job.id, Job.state, Job.fence, Job.events, func.count(JobEvent.id), func.max(JobEvent.fence), ends)
        .outerjoin(JobEvent, JobEvent.job_id == Job.id)
        .group_by(Job.id)
    )
    seen = 0
    for job, state, fence, events, noted, top, ended in session.execute(wanted.execution_options(yield_per=BITE)):
        seen += 1
        if events != noted:
            report(f"jobs {job}", f"{events} events tell of it, and job_events has {noted}")
        elif noted and fence != top:
            report(f"jobs {job}", f"its fence is {fence}, its events have come to {top}")
        elif noted and (ended or []) != ([] if state in LIVE else [state]):
            report(f"jobs {job}", f"it is {state}, its events say {', '.join(ended or ['that it has not ended'])}")
    return seen
