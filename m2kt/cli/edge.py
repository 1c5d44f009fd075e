"""The process edge of every command line of M2KT: errors become two lines and an exit code."""

import os
import sys
from collections.abc import Callable, Sequence

import typer
from typer.exceptions import TyperException
from typer.main import get_command

from m2kt.errors import M2KTError, UsageError


def run_app(app: typer.Typer, name: str, arguments: Sequence[str] | None = None) -> int:
    """Run ``app`` on ``arguments`` (or the process's own) and return the exit status, without tracebacks."""
    return at_edge(lambda: _run(app, name, arguments))


def _run(app: typer.Typer, name: str, arguments: Sequence[str] | None) -> None:
    try:
        status = get_command(app).main(arguments, prog_name=name, standalone_mode=False)
    except typer.Abort:  # somebody was asked, and said no
        raise SystemExit(1) from None
    except TyperException as error:
        raise _usage(error) from error
    if isinstance(status, int):  # of typer.Exit
        raise SystemExit(status)


def _usage(error: TyperException) -> UsageError | SystemExit:
    """What typer says about the arguments, as our error; after a help text, which it has printed, nothing."""
    if type(error).__name__ == "NoArgsIsHelpError":  # typer has no public name for it
        return SystemExit(UsageError.exit_code)
    context = getattr(error, "ctx", None)
    hint = f"See `{context.command_path} --help`." if context else None
    return UsageError(" ".join(error.format_message().split()), hint=hint)


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
