"""Kinds of symbol come out of the chains alone."""

from teacher_agent.chains import Strings
from teacher_agent.kinds import symbol_kinds
from tests.teacher_agent.synthetic import chain, sums


def kinds_by_text(count: int = 800) -> dict[str, int]:
    strings = Strings()
    chains = sums(strings, count)
    kinds = symbol_kinds(chains, len(strings.all()))
    return dict(zip(strings.all(), kinds.tolist(), strict=True))


def test_operands_operators_and_marks_are_told_apart() -> None:
    kinds = kinds_by_text()
    assert len({kinds[each] for each in "01234"}) == 1
    assert kinds["+"] == kinds["*"]
    assert len({kinds[each] for each in "0+:=;"}) == 5


def test_symbols_that_never_meet_are_not_of_one_kind() -> None:
    kinds = kinds_by_text()
    assert kinds["T"] == kinds["F"] != kinds["0"]
    assert kinds["&"] == kinds["|"] != kinds["+"]


def test_a_rare_slip_of_the_teacher_does_not_join_two_worlds() -> None:
    strings = Strings()
    chains = sums(strings, 2000)
    chains.append(chain(strings, ["T", "&", "F", ":"], ["T", "&", "F", "=", "3"]))
    kinds = dict(zip(strings.all(), symbol_kinds(chains, len(strings.all())).tolist(), strict=True))
    assert kinds["T"] != kinds["3"]


def test_a_domain_of_words_works_the_same_way() -> None:
    strings = Strings()
    names, colours = ["ann", "bob", "cid", "dan"], ["red", "blue", "green"]
    chains = [
        chain(strings, ["what", "is", name, "?"], [name, "is", colours[(n * 7 + m) % 3], "."])
        for n, name in enumerate(names)
        for m in range(60)
    ]
    kinds = dict(zip(strings.all(), symbol_kinds(chains, len(strings.all())).tolist(), strict=True))
    assert len({kinds[each] for each in names}) == 1
    assert len({kinds[each] for each in colours}) == 1
    assert kinds["ann"] != kinds["red"]
