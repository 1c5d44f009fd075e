"""Progress bars on stderr for children's progress lines."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from m2kt.agent.child import OnProgress, Progress


@contextmanager
def bars(title: str = "") -> Iterator[OnProgress]:
    """A callback that shows one bar per step; on a pipe nothing is drawn."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    columns = (TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bars(*columns, console=console, transient=False) as drawn:
        tasks: dict[str, TaskID] = {}

        def show(progress: Progress) -> None:
            name = f"{title} {progress.step}".strip()
            if name not in tasks:
                tasks[name] = drawn.add_task(name, total=progress.total)
            drawn.update(tasks[name], completed=progress.done, total=progress.total)

        yield show
