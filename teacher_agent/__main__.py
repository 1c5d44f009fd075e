"""`python -m teacher_agent`: jobs for supervisors (spec on stdin) and commands for people."""

import sys
from importlib import import_module

from m2kt.agent.child import no_such_job, run_job, supervised

JOBS = {
    "extract": "teacher_agent.job",
    "aggregate": "teacher_agent.aggregate",
    "anchors": "teacher_agent.anchoring",
    "concepts": "teacher_agent.teaching",
}


def main(arguments: list[str]) -> int:
    """A job's name alone reads its spec from stdin; everything else is the command line."""
    if len(arguments) == 1 and (arguments[0] in JOBS or supervised()):
        return run_job(import_module(JOBS[arguments[0]]).run if arguments[0] in JOBS else no_such_job(arguments[0]))
    from m2kt.cli.edge import run_app
    from teacher_agent.commands import app

    return run_app(app, "teacher_agent", arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
