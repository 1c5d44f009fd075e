"""Every way out of a command: exit codes, two-line errors, no traceback."""

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import typer
from typer.main import get_group

from m2kt.cli import NOUNS, app
from m2kt.cli.edge import at_edge, printable, run_app
from m2kt.errors import BrokerAway, catalogue
from tests.m2kt.cli.conftest import Ended, Run

M2KT = [sys.executable, "-c", "from m2kt.cli import main; main()"]


def refused(ended: Ended, status: int) -> str:
    """What is wrong, from an error of exactly two lines and nothing on stdout."""
    assert ended.status == status
    assert ended.out == ""
    first, second = ended.err.splitlines()
    assert first.startswith("error: ")
    assert second.startswith("next: ")
    return first.removeprefix("error: ")


def test_help_names_every_noun(run: Run) -> None:
    ended = run("--help")
    assert ended.status == 0
    assert all(f" {noun} " in ended.out for noun in NOUNS)


@pytest.mark.parametrize("noun", NOUNS)
def test_help_of_every_noun_and_of_each_of_its_verbs(run: Run, noun: str) -> None:
    ended = run(noun, "--help")
    assert (ended.status, ended.err) == (0, "")
    assert f"m2kt {noun} " in ended.out
    for verb in get_group(import_module(NOUNS[noun].module).app).commands:
        assert f" {verb} " in ended.out
        assert run(noun, verb, "--help").status == 0


@pytest.mark.parametrize("words", [(), *((noun,) for noun in NOUNS)], ids=" ".join)
def test_without_a_verb_it_shows_help_and_exits_2(run: Run, words: tuple[str, ...]) -> None:
    ended = run(*words)
    assert ended.status == 2
    assert "Commands" in ended.out + ended.err
    assert "error:" not in ended.err


def test_version_is_the_package_s(run: Run) -> None:
    from m2kt import __version__

    assert run("--version") == Ended(0, f"{__version__}\n", "")


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (("pakcet",), "No such command 'pakcet'."),
        (("packet", "frobnicate"), "No such command 'frobnicate'."),
        (("packet", "inspect", "--nope"), "No such option"),
        (("packet", "inspect"), "Missing argument 'FILE'"),
        (("packet", "inspect", "/no/such/file"), "'/no/such/file' does not exist"),
        (("packet", "inspect", "/tmp"), "is a directory"),  # noqa: S108 - any directory does
        (("packet", "list"), "Missing option '--broker'"),
        (("packet", "list", "--broker", "127.0.0.1:8000"), "no URL of a broker"),
        (("packet", "list", "--broker", "http://["), "no URL of a broker"),
        (("packet", "list", "--broker", "http://x", "--limit", "0"), "'--limit'"),
        (("packet", "list", "--broker", "http://x", "-o", "xml"), "'xml' is not one of"),
        (("job", "show", "7", "--broker", "http://x"), "valid UUID"),
        (("job", "submit", "scan", "--broker", "http://x", "--key", "k"), "'scan' is not one of"),
    ],
)
def test_wrong_arguments_are_two_lines_and_exit_2(
    run: Run, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], wrong: str
) -> None:
    monkeypatch.delenv("M2KT_BROKER_URL", raising=False)
    assert wrong.lower() in refused(run(*words), 2).lower()


@pytest.mark.parametrize("cls", list(catalogue()), ids=lambda cls: cls.__name__)
def test_every_error_leaves_with_its_code(cls: type[Exception], capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise cls("it broke")

    status = at_edge(fail)
    assert status == getattr(cls, "exit_code", None)
    assert capsys.readouterr().err == f"error: it broke\nnext: {getattr(cls, 'default_hint', '')}\n"


def test_a_broker_that_is_away_is_exit_42(run: Run, key_file: Path, packet_file: Path) -> None:
    away = "http://127.0.0.1:1"
    job = "00000000-0000-0000-0000-000000000000"
    for words in (
        ("packet", "list"),
        ("packet", "show", "sha256:00"),
        ("packet", "revoke", "sha256:00", "--key", key_file, "--reason", "wrong"),
        ("agent", "list"),
        ("job", "list"),
        ("job", "show", job),
        ("job", "cancel", job, "--key", key_file),
        ("job", "submit", "noop", "--key", key_file),
        ("packet", "publish", packet_file, "--key", key_file),
    ):
        assert "does not answer" in refused(run(*words, "--broker", away), BrokerAway.exit_code)


def test_an_interrupt_is_exit_130() -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    one = typer.Typer()
    one.command()(interrupt)
    assert at_edge(interrupt) == run_app(one, "one", []) == 130


def test_a_question_answered_with_no_is_exit_1_and_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    one = typer.Typer()

    @one.command()
    def ask() -> None:
        raise typer.Abort

    assert run_app(one, "one", []) == 1
    assert capsys.readouterr().err == ""


def test_a_status_that_a_command_chose_is_the_exit_code() -> None:
    one = typer.Typer()

    @one.command()
    def leave() -> None:
        raise typer.Exit(3)

    assert run_app(one, "one", []) == 3


def test_text_from_strangers_steers_no_terminal() -> None:
    assert printable("a\x1b[2Jb\u202ec\nd é") == "a\\x1b[2Jb\\u202ec\nd é"


@pytest.mark.parametrize("form", ["table", "json"])
def test_a_reader_that_leaves_is_no_error(packet_file: Path, form: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as broken:
        command = [*M2KT, "packet", "inspect", str(packet_file), "-o", form]
        done = subprocess.run(command, stdout=broken, stderr=subprocess.PIPE, text=True)
    assert done.stderr == ""


def test_the_installed_command_says_errors_on_stderr(tmp_path: Path) -> None:
    done = subprocess.run([*M2KT, "packet", "inspect", str(tmp_path / "none")], capture_output=True, text=True)
    assert refused(Ended(done.returncode, done.stdout, done.stderr), 2)


def test_every_noun_s_module_is_there() -> None:
    """A noun whose module is missing would silently be no noun."""
    from m2kt.cli import _Nouns

    group = _Nouns(name="m2kt")
    assert group.list_commands(None) == list(NOUNS)
    assert app.info.no_args_is_help
