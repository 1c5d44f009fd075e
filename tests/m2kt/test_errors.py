"""The tree in the docstring of m2kt.errors is what users, docs and the broker rely on: it equals the classes."""

import re

import pytest

from m2kt import errors
from m2kt.errors import M2KTError, by_code, catalogue

Row = tuple[int, str, int, str, int]
"""Depth, name, HTTP status, code, exit code."""

LINE = re.compile(r"^    ([│├└─ ]*)(\w+) +(\d{3}) +([a-z-]+) +exit (\d+)$", re.MULTILINE)


def drawn() -> list[Row]:
    found = LINE.findall(errors.__doc__ or "")
    return [(len(indent) // 4, name, int(status), code, int(left)) for indent, name, status, code, left in found]


def defined(cls: type[M2KTError] = M2KTError, depth: int = 0) -> list[Row]:
    """Classes of m2kt.errors alone: programs that were imported meanwhile may have added their own."""
    rows = [(depth, cls.__name__, cls.status, cls.code, cls.exit_code)]
    for child in cls.__subclasses__():
        if child.__module__ == errors.__name__:
            rows += defined(child, depth + 1)
    return rows


CLASSES = [each for each in catalogue() if each.__module__ == errors.__name__]


def test_the_drawn_tree_is_the_tree_of_classes() -> None:
    assert drawn() == defined()


def test_no_error_class_stands_outside_the_tree() -> None:
    named = {each.__name__ for each in vars(errors).values() if isinstance(each, type) and issubclass(each, Exception)}
    assert named == {name for _, name, *_ in drawn()}


def test_codes_are_distinct() -> None:
    codes = [each.code for each in CLASSES]
    assert len(set(codes)) == len(codes)


def test_exit_codes_are_distinct_except_for_containers() -> None:
    exits = [each.exit_code for each in CLASSES if each is not errors.ContainerError]
    assert len(set(exits)) == len(exits)
    assert 0 not in exits


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_error_says_the_next_step_and_is_found_by_its_code(cls: type[M2KTError]) -> None:
    error = cls("what is wrong")
    assert str(error) == error.detail == "what is wrong"
    assert error.hint.endswith(".")
    assert cls("what is wrong", hint="do this").hint == "do this"
    assert by_code(cls.code) is cls
    assert 400 <= cls.status < 600


def test_a_code_of_a_later_version_is_the_base_error() -> None:
    assert by_code("not-invented-yet") is M2KTError
