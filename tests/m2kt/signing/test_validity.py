"""When a key counts; every refusal carries the name of its rule."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from m2kt.errors import KeyFileError, KeyNotValid, UsageError
from m2kt.signing import TrustStore, keys
from m2kt.signing.keys import Trusted, key_id
from m2kt.signing.validity import ALWAYS, Validity, parse_time, time_text

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("validity", "at", "rule"),
    [
        (ALWAYS, NOON, None),
        (Validity(not_before=NOON), NOON - SECOND, "key-not-yet-valid"),
        (Validity(not_before=NOON), NOON, None),
        (Validity(not_after=NOON), NOON - SECOND, None),
        (Validity(not_after=NOON), NOON, "key-expired"),
        (Validity(revoked=NOON), NOON - SECOND, None),
        (Validity(revoked=NOON), NOON, "key-revoked"),
        (Validity(revoked=NOON), NOON + SECOND, "key-revoked"),
        (Validity(not_after=NOON, revoked=NOON), NOON, "key-revoked"),
    ],
)
def test_each_limit_begins_to_the_second(validity: Validity, at: datetime, rule: str | None) -> None:
    if rule is None:
        validity.require(at, "ada")
    else:
        with pytest.raises(KeyNotValid, match=f"^{rule}: .*ada"):
            validity.require(at, "ada")


def test_a_key_that_was_revoked_a_second_earlier_is_refused_with_the_rules_name(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    keys.write_public(tmp_path / "k.pub", keys.generate().public_key(), Validity(revoked=now - SECOND))
    with pytest.raises(KeyNotValid, match=r"^key-revoked: since"):
        keys.load_public(tmp_path / "k.pub")
    trust = TrustStore.from_path(tmp_path)
    with pytest.raises(KeyNotValid, match=r"^key-revoked: since"):
        trust.require_valid(list(trust), now)
    assert trust.require_valid(list(trust), now - 3 * SECOND) == tuple(trust)


def test_of_several_signers_one_that_counts_is_enough() -> None:
    good, bad = keys.generate().public_key(), keys.generate().public_key()
    trust = TrustStore([good, Trusted(bad, Validity(not_after=NOON))])
    assert trust.require_valid([key_id(bad), key_id(good)], NOON) == (key_id(good),)
    assert list(trust.without(key_id(good))) == [key_id(bad)]
    with pytest.raises(KeyNotValid, match="key-expired"):
        trust.without(key_id(good)).require_valid([key_id(bad)], NOON)


def test_limits_travel_in_the_file(tmp_path: Path) -> None:
    path, key = tmp_path / "k.pub", keys.generate().public_key()
    limits = Validity(NOON, NOON + SECOND, NOON - SECOND)
    keys.write_public(path, key, limits)
    assert path.read_text().split("\n")[1:] == [
        "not-before 2026-06-01T12:00:00Z",
        "not-after 2026-06-01T12:00:01Z",
        "revoked 2026-06-01T11:59:59Z",
        "",
    ]
    assert keys.load_trusted(path).validity == limits
    keys.limit_public(path, Validity(revoked=NOON))
    assert (keys.load_trusted(path).validity, keys.key_id(keys.load_trusted(path).key)) == (
        Validity(revoked=NOON),
        key_id(key),
    )


@pytest.mark.parametrize(
    "line",
    [
        "revoked",
        "revoked yesterday",
        "revoked 2026-02-30T00:00:00Z",
        "revoked 2026-06-01T12:00:00+00:00",
        "revoked 2026-06-01T12:00:00Z ",
        "Revoked 2026-06-01T12:00:00Z",
        "revoked 2026-06-01T12:00:00Z\nrevoked 2026-06-01T12:00:00Z",
        "revoked 2026-06-01T12:00:00Z\nnot-after 2026-06-01T12:00:00Z",
        "unknown 2026-06-01T12:00:00Z",
        "not-before 2026-06-01T12:00:00Z\nnot-after 2026-06-01T12:00:00Z",
    ],
)
def test_a_line_that_cannot_be_read_is_never_overlooked(tmp_path: Path, line: str) -> None:
    path = tmp_path / "k.pub"
    path.write_text(f"{keys.public_text(keys.generate().public_key())}\n{line}\n")
    with pytest.raises(KeyFileError):
        keys.load_trusted(path)


def test_times_are_whole_seconds_of_utc() -> None:
    assert parse_time(time_text(NOON + timedelta(microseconds=999_999))) == NOON
    with pytest.raises(UsageError, match="not a time"):
        parse_time("2026-06-01")
