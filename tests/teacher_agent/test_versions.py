"""The next version, and whose child it is."""

from typing import Any

import pytest

from teacher_agent.versions import after, parent


@pytest.mark.parametrize(
    ("taken", "part", "following"),
    [
        ([], "minor", "1.0.0"),
        (["1.0.0"], "minor", "1.1.0"),
        (["1.9.9", "1.10.0", "1.2.0"], "minor", "1.11.0"),
        (["1.2.3"], "patch", "1.2.4"),
        (["1.2.3"], "major", "2.0.0"),
        (["2.0.0-rc.1", "1.5.0"], "minor", "2.1.0"),
        (["1.0.0+build"], "patch", "1.0.1"),
    ],
)
def test_the_next_version_follows_the_highest_that_is_taken(taken: list[str], part: str, following: str) -> None:
    assert after(taken, part) == following


def packet(version: str, key: str = "ours", state: str = "approved") -> dict[str, Any]:
    return {"packet_id": f"id-{version}", "version": version, "publisher_key": key, "state": state}


def test_the_parent_is_the_highest_of_ours_that_stands() -> None:
    there = [
        packet("1.0.0"),
        packet("1.2.0", state="revoked"),
        packet("1.1.0", state="yanked"),
        packet("3.0.0", "theirs"),
    ]
    found = parent(there, "ours", None)
    assert found
    assert found["version"] == "1.1.0"
    assert parent(there, "a-new-key", None) is None
    rotated = parent(there, "a-new-key", "id-1.0.0")
    assert rotated
    assert rotated["version"] == "1.0.0"
    assert parent([], "ours", None) is None
