"""The describe job: a task as the broker is told of it, before an exchange is opened."""

from student_agent.exchange import describe as run

__all__ = ["run"]
