"""Progress bars: on a terminal only, so that what a pipe gets is errors and results."""

import io

import pytest

from m2kt.agent.child import Progress
from m2kt.cli.bars import bars


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def draw(stderr: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr("sys.stderr", stderr)
    with bars("teacher") as show:
        for done in range(3):
            show(Progress("asking", done, 2))
    return stderr.getvalue()


def test_a_terminal_gets_a_bar_for_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    drawn = draw(Terminal(), monkeypatch)
    assert "teacher asking" in drawn
    assert "2/2" in drawn


def test_a_pipe_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert draw(io.StringIO(), monkeypatch) == ""
