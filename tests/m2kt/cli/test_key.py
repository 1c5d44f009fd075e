"""``m2kt key``: pairs, limits, rotation and revocation, all in files."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from m2kt.errors import KeyFileError, UsageError
from m2kt.signing import keys
from m2kt.signing.validity import time_text

from .conftest import Run


@pytest.fixture
def pair(run: Run, tmp_path: Path) -> Path:
    assert run("key", "generate", tmp_path / "ada").status == 0
    return tmp_path / "ada"


def public(path: Path) -> Path:
    return path.with_name(f"{path.name}.pub")


def test_a_pair_may_have_limits(run: Run, tmp_path: Path) -> None:
    times = ("--not-before", "2026-01-01T00:00:00Z", "--not-after", "2100-01-01T00:00:00Z")
    ended = run("key", "generate", tmp_path / "ada", *times)
    assert "not-after 2100-01-01T00:00:00Z" in ended.out
    assert ended.out == run("key", "show", tmp_path / "ada.pub").out


def test_a_key_is_never_overwritten(run: Run, pair: Path) -> None:
    before = pair.read_bytes()
    assert run("key", "generate", pair).status == KeyFileError.exit_code
    assert pair.read_bytes() == before


@pytest.mark.parametrize("word", ["2030", "tomorrow", "2030-02-30T00:00:00Z"])
def test_what_is_no_time_is_named(run: Run, tmp_path: Path, word: str) -> None:
    ended = run("key", "generate", tmp_path / "ada", "--not-after", word)
    assert ended.status == UsageError.exit_code
    assert "is not a time like" in ended.err
    assert not (tmp_path / "ada").exists()


def test_rotation_makes_the_next_key_and_ends_the_old_one(run: Run, pair: Path) -> None:
    ended = run("key", "rotate", pair, pair.with_name("ada2"), "--overlap", 0)
    assert ended.status == 0
    old, new = keys.load_trusted(public(pair)), keys.load_trusted(public(pair.with_name("ada2")))
    assert keys.key_id(old.key) != keys.key_id(new.key)
    now = datetime.now(UTC)
    assert old.validity.not_after is not None
    assert now - timedelta(seconds=60) < old.validity.not_after <= now
    assert new.validity.fault(now) is None
    listed = run("key", "list", pair.parent).out
    assert "key-expired" in listed
    assert "yes" in listed


def test_rotation_never_gives_a_key_more_time(run: Run, pair: Path) -> None:
    run("key", "rotate", pair, pair.with_name("ada2"), "--overlap", 0)
    first = keys.load_trusted(public(pair)).validity
    run("key", "rotate", pair, pair.with_name("ada3"), "--overlap", 1000)
    assert keys.load_trusted(public(pair)).validity == first


def test_revocation_is_never_made_milder(run: Run, pair: Path) -> None:
    assert run("key", "revoke", public(pair), "--since", "2026-01-01T00:00:00Z").status == 0
    assert run("key", "revoke", public(pair)).status == 0
    assert keys.load_trusted(public(pair)).validity.revoked == datetime(2026, 1, 1, tzinfo=UTC)
    assert "key-revoked: since 2026-01-01T00:00:00Z" in run("key", "list", pair.parent).out


def test_a_key_is_not_revoked_in_the_future(run: Run, pair: Path) -> None:
    later = time_text(datetime.now(UTC) + timedelta(days=1))
    assert run("key", "revoke", public(pair), "--since", later).status == UsageError.exit_code
    assert keys.load_trusted(public(pair)).validity.revoked is None
