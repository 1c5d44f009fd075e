"""How the broker and what stands behind it are doing."""

from fastapi import Response

from broker.dashboard.render import page
from broker.dashboard.route import router as pages
from broker.services import health, sequencer, tlog
from broker.web.deps import ContextDep, SessionDep
from broker.web.people import ViewerDep
from m2kt import __version__

router = pages()

STALE_SECONDS = 180
"""A checkpoint is signed anew every minute; a job that is due, taken within seconds."""


@router.get("/health")
def index(person: ViewerDep, session: SessionDep, context: ContextDep) -> Response:
    pulse, due = tlog.pulse(session, sequencer.database_time), health.oldest_due_seconds(session)
    signs = (
        ("good", "Database", "answers: this page was made of it"),
        ("good" if due < STALE_SECONDS else "bad", "Workers", f"the most patient job has been due for {due:.0f} s"),
        (
            "good" if pulse.age_seconds < STALE_SECONDS else "bad",
            "Log",
            f"{pulse.size} entries, {pulse.waiting} wait; its newest checkpoint is {pulse.age_seconds:.0f} s old",
        ),
        ("good", "Streams", f"{context.closing.streams} open at this replica"),
    )
    jobs = [(kind, state, count) for (kind, state), count in health.unfinished_jobs(session).items() if count]
    return page(person, "health.html", "health", signs=signs, jobs=jobs, version=__version__)
