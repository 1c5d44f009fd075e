"""The order of semantic versions, section 11."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2kt.errors import ManifestError
from m2kt.packet.versions import is_prerelease, precedence

IN_ORDER = [
    "0.0.4",
    "0.9.9",
    "0.10.0",
    "1.0.0-0",
    "1.0.0-2",
    "1.0.0-10",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-beta.11.0",
    "1.0.0-rc.1",
    "1.0.0",
    "1.0.1-x-y.--",
    "1.0.1",
    "1.2.0",
    "1.10.0",
    "2.0.0-a",
    "10.0.0",
]


def test_versions_stand_in_the_order_of_the_specification():
    for earlier, later in itertools.combinations(IN_ORDER, 2):
        assert precedence(earlier) < precedence(later), (earlier, later)


def test_build_metadata_has_no_part_in_it():
    assert precedence("1.0.0+a") == precedence("1.0.0+b-c.1") == precedence("1.0.0")
    assert precedence("1.0.0-rc.1+a") == precedence("1.0.0-rc.1")
    assert [each for each in IN_ORDER if is_prerelease(each)] == [each for each in IN_ORDER if "-" in each]
    assert not is_prerelease("1.0.0+a-b")


@pytest.mark.parametrize(
    "version", ["", "1", "1.0", "01.0.0", "1.0.0-01", "1.0.0-", "v1.0.0", "1.0.0 ", "1.0.0-é", "٣.0.0"]
)
def test_what_is_no_version_has_no_place(version):
    with pytest.raises(ManifestError):
        precedence(version)


NUMBERS = st.integers(0, 20).map(str)
WORDS = st.one_of(NUMBERS, st.text("ab-Z0", min_size=1, max_size=3).filter(lambda each: not each.isdigit()))
VERSIONS = st.builds(
    lambda core, pre, build: ".".join(core) + ("-" + ".".join(pre) if pre else "") + ("+" + build if build else ""),
    st.tuples(NUMBERS, NUMBERS, NUMBERS),
    st.lists(WORDS, max_size=3),
    st.sampled_from(["", "x", "1.y"]),
)


def slow_compare(one: str, other: str) -> int:
    """The specification's text, word for word."""
    (a, _, x), (b, _, y) = (each.partition("+")[0].partition("-") for each in (one, other))
    left, right = ([int(each) for each in core.split(".")] for core in (a, b))
    if left != right:
        return -1 if left < right else 1
    if not x or not y:
        return (not x) - (not y)
    for p, q in zip(x.split("."), y.split("."), strict=False):
        if p == q:
            continue
        if p.isdigit() and q.isdigit():
            return -1 if int(p) < int(q) else 1
        if p.isdigit() != q.isdigit():
            return -1 if p.isdigit() else 1
        return -1 if p < q else 1
    n, m = len(x.split(".")), len(y.split("."))
    return (n > m) - (n < m)


@given(VERSIONS, VERSIONS)
def test_it_agrees_with_the_specification_read_slowly(one, other):
    left, right = precedence(one), precedence(other)
    assert slow_compare(one, other) == (left > right) - (left < right)
