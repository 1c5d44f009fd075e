"""A daemon's configuration says which field is wrong, and paths in a file are relative to the file."""

from pathlib import Path
from typing import Any

import pytest

from m2kt.agent.config import configure
from m2kt.errors import UsageError
from student_agent.config import Config as Student
from teacher_agent.config import Config as Teacher

TOLD = """
broker = "http://127.0.0.1:8000"
key = "ada.key"
model = "/models/ada"
state = "state"
[publish]
chains = "acme/chains"
"""


def written(folder: Path, text: str = TOLD) -> Path:
    (folder / "agent.toml").write_text(text)
    return folder / "agent.toml"


def test_a_file_and_options_over_it(tmp_path: Path) -> None:
    found = configure(Teacher, written(tmp_path), {"threads": 2, "state": Path("here"), "site": None})
    assert (found.key, found.model) == (tmp_path / "ada.key", Path("/models/ada"))
    assert (found.state, found.threads, found.site) == (Path("here"), 2, None)
    assert found.publish == {"chains": "acme/chains"}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("tread = 1", "unknown tread"),
        ("threads = 'two'", "threads must be int"),
        ("threads = true", "threads must be int"),
        ("look_seconds = 'soon'", "look_seconds must be float"),
        ("domains = [1]", "domains must be tuple"),
        ("site = 3", "site must be str"),
        ("bump = 'huge'", "bump must be one of"),
        ("= 3", "is not TOML"),
    ],
)
def test_what_cannot_be_is_named(tmp_path: Path, line: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        configure(Teacher, written(tmp_path, line + TOLD), {})


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "missing: broker, key"),
        ({"broker": "b", "key": Path("k"), "model": Path("m"), "state": Path("s")}, "nothing to do"),
    ],
)
def test_what_is_missing_is_named_with_the_next_step(options: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        configure(Teacher, None, options)
    assert "--" in caught.value.hint


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"subscribe": ()}, "follows no channel"),
        ({"subscribe": ("acme/chains",)}, "no subscription"),
        ({"policy": {"detla": 1}}, "unknown detla"),
    ],
)
def test_a_student_says_what_it_cannot_follow(changed: dict[str, Any], says: str) -> None:
    places = {name: Path(name) for name in ("key", "trust", "model", "state")}
    with pytest.raises(UsageError, match=says):
        Student("http://b", **places, **{"subscribe": ("a/b:stable",), **changed})


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        configure(Teacher, tmp_path / "none.toml", {})
