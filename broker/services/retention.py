"""What ended long ago is forgotten: the row, its events and its logs, in small bites beside the work."""

import uuid
from collections.abc import Collection
from datetime import timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from broker.models import Job

BITE = 500


def forget_finished(session: Session, older_than: timedelta) -> int:
    """Delete jobs that ended before; returns how many. Two replicas never wait for each other."""
    old = (
        select(Job.id)
        .where(Job.finished < func.clock_timestamp() - older_than)
        .order_by(Job.finished)
        .limit(BITE)
        .with_for_update(skip_locked=True)
    )
    gone = delete(Job).where(Job.id.in_(old.scalar_subquery())).returning(Job.id)
    return len(session.execute(gone.execution_options(synchronize_session=False)).all())


def known(session: Session, job_ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Those of these jobs that the ledger still has."""
    return set(session.scalars(select(Job.id).where(Job.id.in_(job_ids))))
