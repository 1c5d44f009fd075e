"""The README's commands exist: every target, verb and option that it shows."""

import re
import shlex
from importlib import import_module
from pathlib import Path

import pytest
from typer.main import get_command

ROOT = Path(__file__).resolve().parent.parent
BLOCKS = re.findall(r"```\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
LINES = [line.split("  #")[0].strip() for block in BLOCKS for line in block.splitlines() if line.strip()]


def commands(program: str) -> list[list[str]]:
    """Words of every line that starts with ``program``, without it (and without ``-m``)."""
    found = [shlex.split(line) for line in LINES if line.startswith(f"{program} ")]
    return [words[2:] if program == "python" else words[1:] for words in found]


def test_the_readme_opens_with_the_two_commands() -> None:
    assert [line.split()[:2] for line in LINES[:2]] == [["make", "demo"], ["make", "test"]]


def test_every_make_target_is_there() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M))
    named = {target for line in LINES for target in re.findall(r"\bmake (\w+)", line)}
    assert named
    assert named <= targets


@pytest.mark.parametrize("words", [*commands("m2kt"), *commands("python")], ids=lambda words: " ".join(words[:2]))
def test_every_verb_and_option_is_there(words: list[str]) -> None:
    module = "m2kt.cli." + words[0] if words[0] in ("dev", "key", "agent", "packet", "job") else f"{words[0]}.commands"
    verbs = get_command(import_module(module).app).commands
    assert words[1] in verbs
    known = {name for parameter in verbs[words[1]].params for name in parameter.opts}
    assert {word for word in words[2:] if word.startswith("--")} <= known


def test_every_page_that_the_readme_links_is_there() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", (ROOT / "README.md").read_text())
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
