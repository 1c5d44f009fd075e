"""Kinds of symbol come out of the chains alone."""

from collections.abc import Sequence

import pytest

from teacher_agent.chains import Corpus, Strings
from teacher_agent.kinds import symbol_kinds
from tests.teacher_agent.synthetic import PARENTS, chain, climbs, sums


def kinds_by_text(count: int = 800, lengths: Sequence[int] = (2, 3)) -> dict[str, int]:
    strings = Strings()
    chains = sums(strings, count, lengths)
    kinds = symbol_kinds(chains, len(strings.all()))
    return dict(zip(strings.all(), kinds.tolist(), strict=True))


LENGTHS = [(2, 3), (2, 3, 4, 5, 6), (6,), (9, 10, 11, 12)]


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("count", [200, 1500])
def test_operands_operators_and_marks_are_told_apart(count: int, lengths: tuple[int, ...]) -> None:
    kinds = kinds_by_text(count, lengths)
    assert len({kinds[each] for each in "01234"}) == 1
    assert kinds["+"] == kinds["*"]
    assert len({kinds[each] for each in "0+:=;"}) == 5


@pytest.mark.parametrize("lengths", LENGTHS)
def test_symbols_that_never_meet_are_not_of_one_kind(lengths: tuple[int, ...]) -> None:
    kinds = kinds_by_text(lengths=lengths)
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


def test_facts_one_to_one_are_two_kinds_although_no_two_of_a_kind_ever_meet() -> None:
    strings = Strings()
    chains = [chain(strings, ["capital", "of", f"land{n % 20}", ":"], [f"town{n % 20}", "."]) for n in range(400)]
    kinds = dict(zip(strings.all(), symbol_kinds(chains, len(strings.all())).tolist(), strict=True))
    assert len({kinds[f"land{n}"] for n in range(20)}) == 1
    assert len({kinds[f"town{n}"] for n in range(20)}) == 1
    assert len(set(kinds.values())) == 6


def test_the_example_teachers_symbols_are_sorted(corpus: Corpus) -> None:
    kinds = dict(zip(corpus.symbols, symbol_kinds(corpus.chains, len(corpus.symbols)).tolist(), strict=True))
    groups = ("0123456789abcdef", "+-*#", "TF", "&|^", ":", "=", ";")
    assert [len({kinds[each] for each in group}) for group in groups] == [1] * 7
    assert len(set(kinds.values())) == 7


def test_facts_do_not_make_kinds_of_their_own() -> None:
    """In a hierarchy every name stands elsewhere in what the teacher writes; in prompts all are drawn alike."""
    strings = Strings()
    chains = climbs(strings, 900)
    kinds = dict(zip(strings.all(), symbol_kinds(chains, len(strings.all())).tolist(), strict=True))
    assert len({kinds[each] for each in PARENTS}) == 1
    assert kinds["yes"] == kinds["no"] != kinds["zed"]
    assert len({kinds[each] for each in ("zed", "?", "is", ";", "yes")}) == 5
