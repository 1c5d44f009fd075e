"""The process edge of every command line of M2KT: errors become two lines and an exit code."""

import os
import sys
from collections.abc import Callable, Sequence

import typer
from typer.main import get_command

from m2kt.errors import M2KTError


def run_app(app: typer.Typer, name: str, arguments: Sequence[str] | None = None) -> int:
    """Run ``app`` on ``arguments`` (or the process's own) and return the exit status, without tracebacks."""
    return at_edge(lambda: get_command(app).main(arguments, prog_name=name, standalone_mode=True))


def at_edge(run: Callable[[], object]) -> int:
    """Run and turn how it ended into an exit status."""
    try:
        run()
    except M2KTError as error:
        sys.stderr.write(f"error: {printable(error.detail)}\nnext: {printable(error.hint)}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    finally:
        _flush()
    return 0


def printable(text: str) -> str:
    """``text`` without what would steer a terminal: details may quote bytes from strangers."""
    return "".join(each if each.isprintable() or each == "\n" else ascii(each)[1:-1] for each in text)


def _flush() -> None:
    """Flush stdout; a reader that went away (``| head``) is no error."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
