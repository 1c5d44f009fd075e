"""`python -m student_agent`: jobs for supervisors (spec on stdin) and commands for people."""

import sys
from importlib import import_module

from m2kt.agent.child import no_such_job, run_job, supervised

JOBS = {
    "align": "student_agent.align",
    "ground": "student_agent.grounding",
    "encoder": "student_agent.encoding",
    "consolidate": "student_agent.consolidate",
    "verify": "student_agent.verify",
    "logits": "student_agent.logits",
    "take": "student_agent.service",
    "recall": "student_agent.recall",
    "exchange": "student_agent.exchange",
    "describe": "student_agent.describe",
}


def main(arguments: list[str]) -> int:
    """A job's name alone reads its spec from stdin; everything else is the command line."""
    if len(arguments) == 1 and (arguments[0] in JOBS or supervised()):
        return run_job(import_module(JOBS[arguments[0]]).run if arguments[0] in JOBS else no_such_job(arguments[0]))
    from m2kt.cli.edge import run_app
    from student_agent.commands import app

    return run_app(app, "student_agent", arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
