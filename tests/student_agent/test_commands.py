"""The student's command line, on a state with one active packet."""

from pathlib import Path

import pytest

from m2kt.cli.edge import run_app
from m2kt.errors import BrokerAway, NotFound
from student_agent.activation import State
from student_agent.commands import app
from student_agent.recall import obey
from tests.student_agent.parts import PACKET_ID

NOBODY = "http://127.0.0.1:9"  # the discard port: nothing listens


@pytest.fixture
def state(tmp_path: Path, memory_directory: Path) -> Path:
    """A state directory with the memory of `addition` in force."""
    held = State(tmp_path / "state")
    with held.changing():
        held.activate(held.adopt(memory_directory))
    return held.root


def run(*arguments: str | Path) -> int:
    return run_app(app, "student_agent", [str(each) for each in arguments])


def test_generate_speaks_with_the_active_packet_and_without_it(
    state: Path, student_directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("generate", "1 + 1 =", "--model", student_directory, "--state", state, "--device", "cpu") == 0
    assert capsys.readouterr().out.split()[:4] == ["1", "+", "1", "="]
    assert run("generate", "1 + 1 =", "--model", student_directory, "--device", "cpu") == 0
    assert capsys.readouterr().out.strip() == "1 + 1 ="


def test_list_and_remove(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list", "--state", state) == 0
    assert capsys.readouterr().out.startswith(PACKET_ID)
    assert run("remove", PACKET_ID, "--state", state) == 0
    assert State(state).active() == []
    assert run("remove", PACKET_ID, "--state", state) == NotFound.exit_code
    assert "next: Active: nothing." in capsys.readouterr().err


def test_a_broker_that_is_away_takes_nothing_from_a_student(state: Path) -> None:
    with pytest.raises(BrokerAway):
        obey(State(state), NOBODY)
    assert len(State(state).active()) == 1
    assert run("recall", "--state", state, "--broker", NOBODY) == BrokerAway.exit_code
    assert len(State(state).active()) == 1


def test_a_wrong_model_path_is_two_lines_and_no_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("generate", "1", "--model", tmp_path / "none", "--device", "cpu") == 60
    error = capsys.readouterr().err
    assert error.startswith("error: there is no directory")
    assert "\nnext: " in error
    assert "Traceback" not in error
