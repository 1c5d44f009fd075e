"""The example domains with their answers, by name."""

from examples.models.tasks import brackets, chains, columns, listops, rules
from examples.models.tasks.task import Fact, Task, ignorance, renamed, uses, with_error

TASKS = {each.TASK.name: each.TASK for each in (chains, columns, brackets, rules, listops)}

__all__ = ["TASKS", "Fact", "Task", "ignorance", "renamed", "uses", "with_error"]
