"""Sealed checks: halves, answers, and files that are none."""

from pathlib import Path

import pytest

from m2kt.errors import UsageError
from student_agent.checks import Check, accuracy_by_tag, is_right, read_checks


@pytest.mark.parametrize(
    ("text", "answer", "right"),
    [
        (" 3 + 5 = 8", "8", True),
        (" 3 + 5 = 8\n", "8", True),
        (" 3 + 5 = 18", "8", False),
        ("the answer is true", "true", True),
        ("the answer is untrue", "true", False),
        (" = 8 ; 8 * b = 9", "8", False),
        ("8", "8", True),
        ("", "8", False),
        ("(a|b)", ")", True),
    ],
)
def test_an_answer_is_the_last_whole_word(text: str, answer: str, right: bool) -> None:
    assert is_right(Check("?", answer, ()), text) is right


def write(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def test_the_halves_are_disjoint_and_whole_whatever_the_order(tmp_path: Path) -> None:
    lines = [f'{{"prompt": "{n} :", "answer": "{n}"}}' for n in range(50)]
    path = write(tmp_path / "a", *lines)
    turned = write(tmp_path / "b", *reversed(lines))
    decide, report = read_checks(path, "decide"), read_checks(path, "report")
    assert {each.prompt for each in decide}.isdisjoint(each.prompt for each in report)
    assert len(decide) + len(report) == 50 == len(read_checks(path, "all"))
    assert {each.prompt for each in read_checks(turned, "decide")} == {each.prompt for each in decide}


@pytest.mark.parametrize(
    "line", ["{", '{"prompt": "a"}', '{"prompt": "a", "answer": 3}', '{"prompt": "", "answer": "b"}']
)
def test_a_line_that_is_no_check_is_named(tmp_path: Path, line: str) -> None:
    with pytest.raises(UsageError, match="line 2"):
        read_checks(write(tmp_path / "checks", '{"prompt": "a", "answer": "b"}', line), "all")


def test_an_empty_or_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no checks"):
        read_checks(write(tmp_path / "checks"), "all")
    with pytest.raises(UsageError, match="cannot read"):
        read_checks(tmp_path / "none", "all")


def test_accuracy_is_counted_for_every_tag() -> None:
    checks = [Check("a", "1", ("x", "y")), Check("b", "1", ("x",))]
    assert accuracy_by_tag(checks, [True, False]) == {"x": 0.5, "y": 1.0}
