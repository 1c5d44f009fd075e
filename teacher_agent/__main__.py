"""`python -m teacher_agent`: jobs for supervisors (spec on stdin) and commands for people."""

import sys


def main(arguments: list[str]) -> int:
    """`extract` reads a job from stdin; everything else is the command line."""
    if arguments[:1] == ["extract"]:
        from m2kt.agent.child import run_job
        from teacher_agent.job import run

        return run_job(run)
    from m2kt.cli.edge import run_app
    from teacher_agent.commands import app

    return run_app(app, "teacher_agent", arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
