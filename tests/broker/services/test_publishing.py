"""What publishing decides beyond its answer."""

import pytest
from sqlalchemy import select, update

from broker.models import Job, JobState

pytestmark = pytest.mark.usefixtures("enrolled")


def states(session):
    return list(session.scalars(select(Job.state).order_by(Job.seq)))


def test_publishing_again_repeats_a_scan_that_died_and_only_then(client_of, keys, signed, session, run_scans):
    teacher = client_of(keys.teacher)
    teacher.publish(signed)
    teacher.publish(signed)
    assert states(session) == ["queued"]
    session.execute(update(Job).values(state=JobState.DEAD))
    session.commit()
    teacher.publish(signed)
    assert states(session) == ["dead", "queued"]
    run_scans()
    assert teacher.publish(signed)["state"] == "approved"
    assert states(session) == ["dead", "succeeded"]
